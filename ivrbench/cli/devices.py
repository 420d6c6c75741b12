"""`ivrbench call --devices`: the sound cards of this machine."""

from __future__ import annotations

from ivrbench.audio.device import list_devices

__all__ = ["devices"]


def devices() -> int:
    """List them on stdout: microphone and loudspeaker channels, a tab, the name.

    Returns:
        the exit code.

    Raises:
        DeviceError: the sound library is missing or does not work.
    """
    found = list_devices()
    for device in found:
        print(f"{device.inputs} in, {device.outputs} out\t{device.name}")
    if not found:
        print("there is no sound card")
    return 0
