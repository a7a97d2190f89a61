"""QEMU's command line, and what is tried in which order."""

from pathlib import Path

from contlab.vm import qemu
from contlab.vm.qemu import MIB, Accelerator, Board, Guest

GUEST = Guest(Path("/k"), Path("/i"), memory=128 * MIB)


def test_the_command_line_of_a_guest():
    words = qemu.command(GUEST, 5, 7, 8)
    assert words[0] == "qemu-system-x86_64"
    line = " ".join(words)
    for part in (
        "-M microvm,acpi=off -accel tcg,tb-size=64 -cpu max -m 128M -smp 1",
        "-chardev socket,id=console,fd=5 -serial chardev:console",
        "-chardev socket,id=agent,fd=7 -device isa-serial,chardev=agent,index=1",
        "-chardev socket,id=monitor,fd=8 -mon chardev=monitor,mode=control",
        "-kernel /k -initrd /i -append console=ttyS0 quiet panic=-1 reboot=t rdinit=/init contlab.port=ttyS1",
    ):
        assert part in line
    assert "-no-reboot" in words


def test_kernel_arguments_are_one_word_of_the_command_line():
    words = qemu.command(Guest(Path("/k"), Path("/i"), arguments=("a=1", "b")), 5, 7, 8)
    assert words[words.index("-append") + 1].endswith(" a=1 b")


def test_the_processor_is_tried_before_emulation_and_microvm_before_a_pc():
    tried = [(guest.accelerator, guest.board) for guest in qemu.attempts(GUEST, kvm=True)]
    assert tried == [
        (Accelerator.KVM, Board.MICROVM),
        (Accelerator.KVM, Board.PC),
        (Accelerator.TCG, Board.MICROVM),
        (Accelerator.TCG, Board.PC),
    ]
    assert [guest.accelerator for guest in qemu.attempts(GUEST, kvm=False)] == [Accelerator.TCG, Accelerator.TCG]


def test_a_disk_needs_the_old_board_and_its_file_may_have_a_comma_in_its_name():
    guest = Guest(Path("/k"), Path("/i"), drive=Path("/a,b"))
    assert [attempt.board for attempt in qemu.attempts(guest, kvm=False)] == [Board.PC]
    line = " ".join(qemu.command(guest, 5, 7, 8))
    assert "-blockdev driver=file,node-name=disk,filename=/a,,b,cache.direct=on" in line
    assert "-device nvme,serial=contlab,drive=disk" in line
    assert "nvme" not in " ".join(qemu.command(GUEST, 5, 7, 8))


def test_a_panic_is_found_on_the_console():
    console = "[    1.2] Kernel panic - not syncing: System is deadlocked on memory\r\n[    1.3] CPU: 0"
    assert qemu.panic(console) == "System is deadlocked on memory"
    assert qemu.panic("all is well") is None


def test_a_signal_that_qemu_ends_by_in_good_order_is_known_by_its_words():
    assert qemu.terminated("qemu-system-x86_64: terminating on signal 15 from pid 7 (bash)") == 15
    assert qemu.terminated("") == 0
