"""The state of a run on disk, written by accelerate: weights, optimizer, loss scale, generators."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from accelerate import Accelerator
from accelerate.utils import extract_model_from_parallel
from safetensors.torch import save_file
from torch import Tensor, nn

from fakemamba.files import appearing_folder, write_json
from fakemamba.models.checkpoints import save_pretrained
from fakemamba.models.detector import Detector
from fakemamba.training.manifest import write_manifest
from fakemamba.training.objectives.headed import Headed, parted
from fakemamba.training.progress import Progress
from fakemamba.training.run_folder import HEAD, PROGRESS, RunFolder, TrainingError


@dataclass(frozen=True)
class Checkpoints:
    """Writes and reads the states of a run in its folder; all ranks call alike.

    Attributes:
        folder: the run's.
        accelerator: that prepared model and optimizer.
    """

    folder: RunFolder
    accelerator: Accelerator

    def save(self, progress: Progress) -> None:
        """Write the state, and remove what it makes superfluous.

        Raises:
            TrainingError: the folder cannot be written; the checkpoint before is still there.
        """
        is_main = self.accelerator.is_main_process
        goal = self.folder.checkpoint_of(progress)
        with self.folder.writing():
            with appearing_folder(goal, is_main=is_main) as partial:
                self.accelerator.wait_for_everyone()
                self.accelerator.save_state(str(partial))
                self.accelerator.wait_for_everyone()
                if is_main:
                    write_json(partial / PROGRESS, asdict(progress))
                    write_manifest(partial)
            self.accelerator.wait_for_everyone()
            if is_main:
                self.folder.forget_all_but(goal, progress)

    def resume(self) -> Progress:
        """Read the newest state into model and optimizer; a new beginning if there is none.

        Nothing in it is executed: accelerate reads pickles with ``weights_only``.

        Raises:
            TrainingError: it is damaged, or cannot be read.
        """
        newest = self.folder.newest_checkpoint()
        if newest is None:
            return Progress()
        progress = self.folder.read_progress(newest)
        try:
            self.accelerator.load_state(str(newest))
        except Exception as error:  # of any kind: it is whole, but not a state of this run
            raise TrainingError(
                f"{newest} has something else in it than a state of this run "
                f"({type(error).__name__}); remove it, and go on with --resume from what is left, "
                "or train anew"
            ) from error
        return progress

    def save_epoch(self, model: nn.Module, detector: Detector, epoch: int) -> None:
        """Write an epoch's detector beside the best ones, and its head if it has one of its own.

        Args:
            model: as prepared by accelerate.
            detector: the one in it, without what accelerate puts around it.
            epoch: from 1.
        """
        state = self.accelerator.get_state_dict(model)  # gathered, where it is spread over ranks
        head: dict[str, Tensor] = {}
        if isinstance(extract_model_from_parallel(model), Headed):
            state, head = parted(state)
        with self.folder.writing():
            if self.accelerator.is_main_process:
                goal = self.folder.best(epoch)
                with appearing_folder(goal, is_main=True) as partial:
                    save_pretrained(detector, partial, state)
                    if head:
                        save_file(head, partial / HEAD)
                    write_manifest(partial)
        self.accelerator.wait_for_everyone()
