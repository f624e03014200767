"""Engines that run a front-end on a CPU in torch's place: ONNX Runtime and OpenVINO."""
