"""The operating system's errors about files, as ours."""

import errno
import os

import pytest

from dlserv.engine.disk_errors import local_error
from dlserv.errors import NameTaken, NameTooLong, NoSpace, Unavailable, Unwritable


@pytest.mark.parametrize("number, kind, sentence", [
    (errno.ENOSPC, NoSpace, "no space left on device"), (errno.EDQUOT, NoSpace, "the disk quota is used up"),
    (errno.EEXIST, NameTaken, "a file named x is there already"),
    (errno.ENAMETOOLONG, NameTooLong, "x: the name is too long for this file system"),
    (errno.EFBIG, Unwritable, "x: the file is too large for this file system (FAT32 ends at 4 GiB)"),
    (errno.ELOOP, Unwritable, "x: there is a symbolic link where a file or folder should be"),
    (errno.EACCES, Unavailable, "x: permission denied"), (errno.ENOENT, Unavailable, "x: the folder is gone"),
    (errno.EIO, Unavailable, "x: the disk reports an input/output error"),
    (errno.EXDEV, Unwritable, "x: " + os.strerror(errno.EXDEV).lower())])
def test_an_error_tells_its_fate_and_its_reason(number, kind, sentence):
    error = local_error(OSError(number, os.strerror(number)), "x")
    assert type(error) is kind and str(error) == sentence


@pytest.mark.parametrize("number, is_loss", [
    (errno.EIO, True), (errno.EROFS, True), (errno.ESTALE, True), (errno.EACCES, False), (errno.ENOENT, False)])
def test_only_a_failing_disk_may_have_lost_bytes(number, is_loss):
    assert local_error(OSError(number, "")).is_loss is is_loss
