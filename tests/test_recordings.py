"""Every recorded provider answer passes, however it is cut. Runs where the recordings are."""

from __future__ import annotations

import pytest

from tests.recordings import SPLITS, folder, replay


@pytest.mark.parametrize("split", SPLITS, ids=[" ".join(split) for split in SPLITS])
def test_every_recording_passes(split: list[str]) -> None:
    recordings = folder()
    if recordings is None:
        pytest.skip("the recordings are not here (../shared/recordings)")
    summary, passed = replay(recordings, split)
    assert passed, summary
