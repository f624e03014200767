"""Whole detectors as files that run without this package: ONNX, OpenVINO and torch.export."""
