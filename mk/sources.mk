# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Every source list of the project, and nothing else. One "NAME += file" per line, sorted by folder: GNU make, Kbuild and
# BSD make can all read that. Paths are from the top of the tree.

# wire/: readers and writers of the formats in proto/ (no OS)
WIRE_SRCS += wire/hvw_fcopy.c
WIRE_SRCS += wire/hvw_frame.c
WIRE_SRCS += wire/hvw_guid.c
WIRE_SRCS += wire/hvw_ic.c
WIRE_SRCS += wire/hvw_kvp.c
WIRE_SRCS += wire/hvw_msg.c
WIRE_SRCS += wire/hvw_ndis.c
WIRE_SRCS += wire/hvw_nvsp.c
WIRE_SRCS += wire/hvw_pkt.c
WIRE_SRCS += wire/hvw_ring.c
WIRE_SRCS += wire/hvw_rndis.c
WIRE_SRCS += wire/hvw_rss.c
WIRE_SRCS += wire/hvw_scsi.c
WIRE_SRCS += wire/hvw_storvsp.c
WIRE_SRCS += wire/hvw_utf16.c

# guest/: the driver core, compiled once for each port
GUEST_SRCS += guest/bus/bus.c
GUEST_SRCS += guest/bus/chan.c
GUEST_SRCS += guest/bus/conn.c
GUEST_SRCS += guest/bus/gpadl.c
GUEST_SRCS += guest/bus/offer.c
GUEST_SRCS += guest/bus/request.c
GUEST_SRCS += guest/dev/ic.c
GUEST_SRCS += guest/dev/ic_daemon.c
GUEST_SRCS += guest/dev/ic_heartbeat.c
GUEST_SRCS += guest/dev/ic_fcopy.c
GUEST_SRCS += guest/dev/ic_kvp.c
GUEST_SRCS += guest/dev/ic_shutdown.c
GUEST_SRCS += guest/dev/ic_timesync.c
GUEST_SRCS += guest/dev/ic_vss.c
GUEST_SRCS += guest/dev/log.c
GUEST_SRCS += guest/dev/net.c
GUEST_SRCS += guest/dev/net_link.c
GUEST_SRCS += guest/dev/net_nvsp.c
GUEST_SRCS += guest/dev/net_question.c
GUEST_SRCS += guest/dev/net_queue.c
GUEST_SRCS += guest/dev/net_rndis.c
GUEST_SRCS += guest/dev/net_rx.c
GUEST_SRCS += guest/dev/net_settings.c
GUEST_SRCS += guest/dev/net_tx.c
GUEST_SRCS += guest/dev/net_vf.c
GUEST_SRCS += guest/dev/netif.c
GUEST_SRCS += guest/dev/stor.c
GUEST_SRCS += guest/dev/stor_io.c
GUEST_SRCS += guest/dev/stor_setup.c
GUEST_SRCS += guest/hv/hv.c
GUEST_SRCS += guest/hv/synic.c

# port/sim/: a simulated system for tests
PORT_SIM_SRCS += port/sim/fiber.c
PORT_SIM_SRCS += port/sim/machine.c
PORT_SIM_SRCS += port/sim/memory.c
PORT_SIM_SRCS += port/sim/sched.c
PORT_SIM_SRCS += port/sim/sync.c

# port/user/: the core in a process, with threads
PORT_USER_SRCS += port/user/os.c
PORT_USER_SRCS += port/user/threads.c

# host/: with wire/ it makes libhvis-host.a
HOST_SRCS += host/dev/heartbeat.c
HOST_SRCS += host/dev/fcopy.c
HOST_SRCS += host/dev/ic.c
HOST_SRCS += host/dev/ic_queue.c
HOST_SRCS += host/dev/kvp.c
HOST_SRCS += host/dev/net.c
HOST_SRCS += host/dev/net_join.c
HOST_SRCS += host/dev/net_nvsp.c
HOST_SRCS += host/dev/net_offload.c
HOST_SRCS += host/dev/net_oid.c
HOST_SRCS += host/dev/net_pieces.c
HOST_SRCS += host/dev/net_receive.c
HOST_SRCS += host/dev/net_rndis.c
HOST_SRCS += host/dev/net_rx.c
HOST_SRCS += host/dev/net_save.c
HOST_SRCS += host/dev/net_tx.c
HOST_SRCS += host/dev/scsi.c
HOST_SRCS += host/dev/scsi_command.c
HOST_SRCS += host/dev/scsi_dvd.c
HOST_SRCS += host/dev/scsi_inquiry.c
HOST_SRCS += host/dev/scsi_io.c
HOST_SRCS += host/dev/scsi_lun.c
HOST_SRCS += host/dev/scsi_mode.c
HOST_SRCS += host/dev/scsi_save.c
HOST_SRCS += host/dev/scsi_setup.c
HOST_SRCS += host/dev/shutdown.c
HOST_SRCS += host/dev/timesync.c
HOST_SRCS += host/dev/vss.c
HOST_SRCS += host/mem/mem.c
HOST_SRCS += host/state/state.c
HOST_SRCS += host/vmbus/channel.c
HOST_SRCS += host/vmbus/channel_io.c
HOST_SRCS += host/vmbus/device.c
HOST_SRCS += host/vmbus/gpadl.c
HOST_SRCS += host/vmbus/inject.c
HOST_SRCS += host/vmbus/log.c
HOST_SRCS += host/vmbus/queue.c
HOST_SRCS += host/vmbus/save.c
HOST_SRCS += host/vmbus/server.c
HOST_SRCS += host/vmbus/share.c
HOST_SRCS += host/vmbus/synic.c

# vmm/: the monitor hvhost
VMM_SRCS += vmm/acpi/tables.c
VMM_SRCS += vmm/ask.c
VMM_SRCS += vmm/backup.c
VMM_SRCS += vmm/boot/image.c
VMM_SRCS += vmm/boot/linux.c
VMM_SRCS += vmm/boot/pvh.c
VMM_SRCS += vmm/channels.c
VMM_SRCS += vmm/client.c
VMM_SRCS += vmm/cmdline.c
VMM_SRCS += vmm/commands.c
VMM_SRCS += vmm/commands_disk.c
VMM_SRCS += vmm/commands_backup.c
VMM_SRCS += vmm/commands_copy.c
VMM_SRCS += vmm/commands_kvp.c
VMM_SRCS += vmm/console.c
VMM_SRCS += vmm/control.c
VMM_SRCS += vmm/cpuid.c
VMM_SRCS += vmm/crash.c
VMM_SRCS += vmm/devices.c
VMM_SRCS += vmm/disk/call.c
VMM_SRCS += vmm/disk/disk.c
VMM_SRCS += vmm/disk/disk_commands.c
VMM_SRCS += vmm/disk/disk_config.c
VMM_SRCS += vmm/disk/file.c
VMM_SRCS += vmm/disk/late.c
VMM_SRCS += vmm/disk/threads.c
VMM_SRCS += vmm/disk/uring.c
VMM_SRCS += vmm/enlighten.c
VMM_SRCS += vmm/fault_guard.c
VMM_SRCS += vmm/hyperv.c
VMM_SRCS += vmm/io_loops.c
VMM_SRCS += vmm/image/crc32c.c
VMM_SRCS += vmm/image/image.c
VMM_SRCS += vmm/image/store.c
VMM_SRCS += vmm/image/vhd.c
VMM_SRCS += vmm/image/vhdx.c
VMM_SRCS += vmm/image/vhdx_header.c
VMM_SRCS += vmm/image/vhdx_log.c
VMM_SRCS += vmm/image/vhdx_open.c
VMM_SRCS += vmm/irq_routes.c
VMM_SRCS += vmm/ip_settings.c
VMM_SRCS += vmm/copy.c
VMM_SRCS += vmm/kvp.c
VMM_SRCS += vmm/log.c
VMM_SRCS += vmm/loop.c
VMM_SRCS += vmm/machine.c
VMM_SRCS += vmm/mail.c
VMM_SRCS += vmm/main.c
VMM_SRCS += vmm/msr.c
VMM_SRCS += vmm/memmap.c
VMM_SRCS += vmm/nested/clock.c
VMM_SRCS += vmm/nested/inner.c
VMM_SRCS += vmm/nested/inner_net.c
VMM_SRCS += vmm/nested/nested.c
VMM_SRCS += vmm/nested/qemu.c
VMM_SRCS += vmm/nested/share.c
VMM_SRCS += vmm/net/nic.c
VMM_SRCS += vmm/net/nic_config.c
VMM_SRCS += vmm/net/pcap.c
VMM_SRCS += vmm/net/plain.c
VMM_SRCS += vmm/net/tap.c
VMM_SRCS += vmm/net/user.c
VMM_SRCS += vmm/pae.c
VMM_SRCS += vmm/pause.c
VMM_SRCS += vmm/pio.c
VMM_SRCS += vmm/pm.c
VMM_SRCS += vmm/rtc.c
VMM_SRCS += vmm/run.c
VMM_SRCS += vmm/serial.c
VMM_SRCS += vmm/services.c
VMM_SRCS += vmm/status.c
VMM_SRCS += vmm/terminal.c
VMM_SRCS += vmm/trace.c
VMM_SRCS += vmm/trace_json.c
VMM_SRCS += vmm/trace_net.c
VMM_SRCS += vmm/trace_normalise.c
VMM_SRCS += vmm/vcpu.c
VMM_SRCS += vmm/vm.c
VMM_SRCS += vmm/vm_commands.c

# port/baremetal/: with wire/ and guest/ it makes hvis-baremetal.elf
PORT_BAREMETAL_SRCS += port/baremetal/console.c
PORT_BAREMETAL_SRCS += port/baremetal/cpu.c
PORT_BAREMETAL_SRCS += port/baremetal/disk.c
PORT_BAREMETAL_SRCS += port/baremetal/firmware.c
PORT_BAREMETAL_SRCS += port/baremetal/main.c
PORT_BAREMETAL_SRCS += port/baremetal/mem.c
PORT_BAREMETAL_SRCS += port/baremetal/net.c
PORT_BAREMETAL_SRCS += port/baremetal/net_bench.c
PORT_BAREMETAL_SRCS += port/baremetal/os.c
PORT_BAREMETAL_SRCS += port/baremetal/start.S

# The suite for ports, and its program on port/baremetal: hvis-conformance.elf
SUITE_SRCS += tests/port/conformance.c
SUITE_SRCS += tests/port/conformance_bus.c
CONFORMANCE_SRCS = tests/port/baremetal/main.c $(SUITE_SRCS)

# tools/hvis/: the administrator's tool in the guest; with what it needs of wire/
TOOLS_HVIS_SRCS += tools/hvis/bus.c
TOOLS_HVIS_SRCS += tools/hvis/devices.c
TOOLS_HVIS_SRCS += tools/hvis/json.c
TOOLS_HVIS_SRCS += tools/hvis/kvp.c
TOOLS_HVIS_SRCS += tools/hvis/main.c
TOOLS_HVIS_SRCS += tools/hvis/nics.c
TOOLS_HVIS_SRCS += tools/hvis/status.c
TOOLS_HVIS_SRCS += tools/hvis/sysfs.c
TOOLS_HVIS_SRCS += tools/hvis/versions.c
TOOLS_HVIS_SRCS += daemons/pool.c
TOOLS_HVIS_SRCS += wire/hvw_guid.c

# The daemons: what they share, and what each has of its own
DAEMONS_SRCS += daemons/service.c
KVPD_SRCS += daemons/facts.c
KVPD_SRCS += daemons/interfaces.c
KVPD_SRCS += daemons/ip.c
KVPD_SRCS += daemons/kvpd.c
KVPD_SRCS += daemons/pool.c
VSSD_SRCS += daemons/freeze.c
VSSD_SRCS += daemons/mounts.c
VSSD_SRCS += daemons/vssd.c
FCOPYD_SRCS += daemons/fcopyd.c
FCOPYD_SRCS += daemons/target.c
FCOPYD_SRCS += daemons/uio.c
FCOPYD_SRCS += wire/hvw_fcopy.c
FCOPYD_SRCS += wire/hvw_guid.c
FCOPYD_SRCS += wire/hvw_ic.c
FCOPYD_SRCS += wire/hvw_ring.c
FCOPYD_SRCS += wire/hvw_utf16.c

# Files the nested mode needs at run time (installed under $(libdir)/hvhost/nested)

# Tests. A .c file is built and linked with libhvis-host.a; anything else must be executable and speak TAP.
# tests/unit, tests/golden and tests/loopback are also run in the sanitizer builds and, under qemu-user, for aarch64.
TESTS_GOLDEN += tests/golden/test_golden.c
TESTS_GOLDEN += tests/golden/test_golden_net.c
TESTS_GOLDEN += tests/golden/test_golden_storage.c
TESTS_LOOPBACK += tests/loopback/test_guest_host.c
TESTS_LOOPBACK += tests/loopback/test_guest_net_host.c
TESTS_LOOPBACK += tests/loopback/test_guest_net_threads.c
TESTS_LOOPBACK += tests/loopback/test_guest_stor_host.c
TESTS_LOOPBACK += tests/loopback/test_guest_stor_threads.c
TESTS_LOOPBACK += tests/loopback/test_guest_threads.c
TESTS_LOOPBACK += tests/loopback/test_save_load.c
TESTS_LOOPBACK += tests/loopback/test_threads.c
TESTS_UNIT += tests/unit/test_acpi.c
TESTS_UNIT += tests/unit/test_alloc.c
TESTS_UNIT += tests/unit/test_boot.c
TESTS_UNIT += tests/unit/test_channel.c
TESTS_UNIT += tests/unit/test_cmdline.c
TESTS_UNIT += tests/unit/test_console.c
TESTS_UNIT += tests/unit/test_control.c
TESTS_UNIT += tests/unit/test_crash.c
TESTS_UNIT += tests/unit/test_disk.c
TESTS_UNIT += tests/unit/test_enlighten.c
TESTS_UNIT += tests/unit/test_fault_guard.c
TESTS_UNIT += tests/unit/test_fcopy.c
TESTS_UNIT += tests/unit/test_freeze.c
TESTS_UNIT += tests/unit/test_gpadl.c
TESTS_UNIT += tests/unit/test_guest_bus.c
TESTS_UNIT += tests/unit/test_guest_chan.c
TESTS_UNIT += tests/unit/test_guest_fcopy.c
TESTS_UNIT += tests/unit/test_guest_hv.c
TESTS_UNIT += tests/unit/test_guest_ic.c
TESTS_UNIT += tests/unit/test_guest_kvp.c
TESTS_UNIT += tests/unit/test_guest_net.c
TESTS_UNIT += tests/unit/test_guest_stor.c
TESTS_UNIT += tests/unit/test_guest_vss.c
TESTS_UNIT += tests/unit/test_guid.c
TESTS_UNIT += tests/unit/test_heartbeat.c
TESTS_UNIT += tests/unit/test_hotplug.c
TESTS_UNIT += tests/unit/test_ic.c
TESTS_UNIT += tests/unit/test_image.c
TESTS_UNIT += tests/unit/test_image_crash.c
TESTS_UNIT += tests/unit/test_image_qemu.c
TESTS_UNIT += tests/unit/test_inject.c
TESTS_UNIT += tests/unit/test_io_loops.c
TESTS_UNIT += tests/unit/test_ip_settings.c
TESTS_UNIT += tests/unit/test_irq_routes.c
TESTS_UNIT += tests/unit/test_kvp.c
TESTS_UNIT += tests/unit/test_loop.c
TESTS_UNIT += tests/unit/test_mem.c
TESTS_UNIT += tests/unit/test_memmap.c
TESTS_UNIT += tests/unit/test_msg.c
TESTS_UNIT += tests/unit/test_mounts.c
TESTS_UNIT += tests/unit/test_net.c
TESTS_UNIT += tests/unit/test_net_join.c
TESTS_UNIT += tests/unit/test_net_queues.c
TESTS_UNIT += tests/unit/test_nvsp.c
TESTS_UNIT += tests/unit/test_pkt.c
TESTS_UNIT += tests/unit/test_pae.c
TESTS_UNIT += tests/unit/test_pm.c
TESTS_UNIT += tests/unit/test_pvh.c
TESTS_UNIT += tests/unit/test_pool.c
TESTS_UNIT += tests/unit/test_ring.c
TESTS_UNIT += tests/unit/test_ring_threads.c
TESTS_UNIT += tests/unit/test_rndis.c
TESTS_UNIT += tests/unit/test_rss.c
TESTS_UNIT += tests/unit/test_rtc.c
TESTS_UNIT += tests/unit/test_scsi.c
TESTS_UNIT += tests/unit/test_scsi_disk.c
TESTS_UNIT += tests/unit/test_scsi_dvd.c
TESTS_UNIT += tests/unit/test_serial.c
TESTS_UNIT += tests/unit/test_server.c
TESTS_UNIT += tests/unit/test_shutdown.c
TESTS_UNIT += tests/unit/test_sim.c
TESTS_UNIT += tests/unit/test_state.c
TESTS_UNIT += tests/unit/test_storvsp.c
TESTS_UNIT += tests/unit/test_subchannel.c
TESTS_UNIT += tests/unit/test_synic.c
TESTS_UNIT += tests/unit/test_tap.c
TESTS_UNIT += tests/unit/test_target.c
TESTS_UNIT += tests/unit/test_timesync.c
TESTS_UNIT += tests/unit/test_trace.c
TESTS_UNIT += tests/unit/test_trace_net.c
TESTS_UNIT += tests/unit/test_uio.c
TESTS_UNIT += tests/unit/test_user.c
TESTS_UNIT += tests/unit/test_utf16.c
TESTS_UNIT += tests/unit/test_vss.c

# Run in the builds for aarch64 alone
TESTS_ARM64 += tests/unit/test_arm64.c

# Tests among these that cannot run on another processor than x86-64 (say why beside the line)
# vmm/ is for x86-64, and jansson is installed for this machine's processor alone
TESTS_NATIVE += tests/unit/test_cmdline.c
TESTS_NATIVE += tests/unit/test_console.c
TESTS_NATIVE += tests/unit/test_control.c
TESTS_NATIVE += tests/unit/test_ip_settings.c
TESTS_NATIVE += tests/unit/test_trace.c
TESTS_NATIVE += tests/unit/test_trace_net.c
# liburing likewise
TESTS_NATIVE += tests/unit/test_disk.c
TESTS_NATIVE += tests/unit/test_image_qemu.c
TESTS_NATIVE += tests/unit/test_crash.c
# qemu-user hands TAP interfaces' ioctls on to a kernel of this machine's, if at all
TESTS_NATIVE += tests/unit/test_tap.c
# <linux/kvm.h> has the structures of CPUID leaves and interrupt controllers on x86 only
TESTS_NATIVE += tests/unit/test_enlighten.c
TESTS_NATIVE += tests/unit/test_irq_routes.c
TESTS_NATIVE += tests/unit/test_pae.c

# The guest without a driver core that tests/vm runs, on the machine of port/baremetal
RAW_SRCS += tests/guests/raw/bus.c
RAW_SRCS += tests/guests/raw/check_call.c
RAW_SRCS += tests/guests/raw/check_clock.c
RAW_SRCS += tests/guests/raw/check_cpuid.c
RAW_SRCS += tests/guests/raw/check_synic.c
RAW_SRCS += tests/guests/raw/check_timer.c
RAW_SRCS += tests/guests/raw/checks.c
RAW_SRCS += tests/guests/raw/cpu.c
RAW_SRCS += tests/guests/raw/hostile.c
RAW_SRCS += tests/guests/raw/hostile_bus.c
RAW_SRCS += tests/guests/raw/hostile_cpu.c
RAW_SRCS += tests/guests/raw/hostile_ring.c
RAW_SRCS += tests/guests/raw/hv.c
RAW_SRCS += tests/guests/raw/main.c
RAW_SRCS += tests/guests/raw/orders.c
RAW_SRCS += tests/guests/raw/tap.c

# The guest with lwIP, on the same machine with the driver core
LWIP_GUEST_SRCS += tests/guests/lwip/main.c
LWIP_GUEST_SRCS += tests/guests/lwip/nic.c
LWIP_GUEST_SRCS += tests/guests/lwip/servers.c
LWIP_GUEST_SRCS += tests/guests/lwip/text.c

# Command line tests: run hvhost, path in $HVHOST
TESTS_CLI += tests/cli/clients.sh
TESTS_CLI += tests/cli/cloud_init
TESTS_CLI += tests/cli/copy_through
TESTS_CLI += tests/cli/daemons
TESTS_CLI += tests/cli/hook.sh
TESTS_CLI += tests/cli/hvis.sh
TESTS_CLI += tests/cli/musl.sh
TESTS_CLI += tests/cli/run_errors.sh
TESTS_CLI += tests/cli/usage.sh

# The checks on this tree, and tests of the checks and of the test machinery themselves
TESTS_CHECKS += tests/checks/can_fail
TESTS_CHECKS += tests/checks/machinery
TESTS_CHECKS += tests/checks/trace_differences
TESTS_CHECKS += tests/checks/tree

# fuzz/NAME.c holds LLVMFuzzerTestOneInput and its corpus is fuzz/corpora/NAME/
FUZZ_TARGETS += fuzz/daemons.c
FUZZ_TARGETS += fuzz/gpa.c
FUZZ_TARGETS += fuzz/guest.c
FUZZ_TARGETS += fuzz/guid.c
FUZZ_TARGETS += fuzz/ic.c
FUZZ_TARGETS += fuzz/image.c
FUZZ_TARGETS += fuzz/kvp.c
FUZZ_TARGETS += fuzz/msg.c
FUZZ_TARGETS += fuzz/net.c
FUZZ_TARGETS += fuzz/net_guest.c
FUZZ_TARGETS += fuzz/nvsp.c
FUZZ_TARGETS += fuzz/ring_rx.c
FUZZ_TARGETS += fuzz/ring_tx.c
FUZZ_TARGETS += fuzz/rndis.c
FUZZ_TARGETS += fuzz/scsi.c
FUZZ_TARGETS += fuzz/server.c
FUZZ_TARGETS += fuzz/services.c
FUZZ_TARGETS += fuzz/state.c
FUZZ_TARGETS += fuzz/stor_guest.c
FUZZ_TARGETS += fuzz/storvsp.c

# Benchmarks: print one JSON object per result line (see scripts/run-bench)
BENCH += bench/bench_ring.c
BENCH += bench/bare
BENCH += bench/boot
BENCH += bench/chan
BENCH += bench/disk
BENCH += bench/frames
BENCH += bench/image
BENCH += bench/manage
BENCH += bench/net
BENCH += bench/stor

# Programs that these run
BENCH_HELPERS += bench/boot_run.c
BENCH_HELPERS += bench/chan_run.c
BENCH_HELPERS += bench/frames_run.c
BENCH_HELPERS += bench/image_run.c
BENCH_HELPERS += bench/manage_load.c
BENCH_HELPERS += bench/net_peer.c
BENCH_HELPERS += bench/stor_run.c

# Programs that run the guest core on port/sim, and what they need for it
USES_SIM += fuzz/echo_driver.c
USES_SIM += fuzz/fake_host.c
USES_SIM += fuzz/guest.c
USES_SIM += fuzz/loopback.c
USES_SIM += fuzz/net_guest.c
USES_SIM += fuzz/net_host.c
USES_SIM += fuzz/soft_hypervisor.c
USES_SIM += fuzz/stor_guest.c
USES_SIM += tests/loopback/test_guest_host.c
USES_SIM += tests/loopback/test_guest_net_host.c
USES_SIM += tests/loopback/test_guest_stor_host.c
USES_SIM += tests/port/conformance.c
USES_SIM += tests/port/conformance_bus.c
USES_SIM += tests/unit/test_sim.c
USES_SIM += tests/unit/test_guest_bus.c
USES_SIM += tests/unit/test_guest_chan.c
USES_SIM += tests/unit/test_guest_hv.c
USES_SIM += tests/unit/test_guest_ic.c
USES_SIM += tests/unit/test_guest_fcopy.c
USES_SIM += tests/unit/test_guest_kvp.c
USES_SIM += tests/unit/test_guest_net.c
USES_SIM += tests/unit/test_guest_stor.c
USES_SIM += tests/unit/test_guest_vss.c
SIM_SRCS := $(GUEST_SRCS) $(PORT_SIM_SRCS) fuzz/soft_hypervisor.c

# The same for port/user, whose objects of the core lie under user/
USES_USER += bench/chan_run.c
USES_USER += bench/frames_run.c
USES_USER += bench/stor_run.c
USES_USER += fuzz/threaded_host.c
USES_USER += fuzz/threaded_loop.c
USES_USER += fuzz/threaded_partition.c
USES_USER += tests/loopback/test_guest_net_threads.c
USES_USER += tests/loopback/test_guest_stor_threads.c
USES_USER += tests/loopback/test_guest_threads.c
USES_USER += tests/unit/test_user.c
THREADED_HOST_SRCS := fuzz/echo_device.c fuzz/threaded_host.c fuzz/threaded_loop.c fuzz/threaded_partition.c
USER_SRCS := $(addprefix user/,$(GUEST_SRCS)) $(PORT_USER_SRCS)

# What a single file needs beyond that: CFLAGS_<file.c>; for the program of a test, bench or fuzz target SRCS_<file.c>, LIBS_<file.c>
# A monitor in miniature and a guest for it: what the tests of host/ stand on
HOST_TEST_SRCS := fuzz/echo_device.c fuzz/embedder.c fuzz/guest_script.c
SRCS_fuzz/daemons.c := daemons/mounts.c daemons/uio.c
SRCS_fuzz/guest.c = $(SIM_SRCS) fuzz/fake_host.c fuzz/echo_driver.c
SRCS_fuzz/image.c = $(IMAGE_TEST_SRCS)
SRCS_fuzz/net.c := $(HOST_TEST_SRCS) fuzz/net_script.c
SRCS_fuzz/net_guest.c = $(SIM_SRCS) fuzz/fake_host.c fuzz/net_host.c
SRCS_fuzz/scsi.c := $(HOST_TEST_SRCS) fuzz/scsi_script.c
SRCS_fuzz/stor_guest.c = $(SIM_SRCS) fuzz/fake_host.c
SRCS_fuzz/server.c := $(HOST_TEST_SRCS)
SRCS_fuzz/services.c := $(HOST_TEST_SRCS)
SRCS_fuzz/state.c := $(HOST_TEST_SRCS)
SRCS_tests/loopback/test_guest_host.c = $(SIM_SRCS) $(HOST_TEST_SRCS) fuzz/loopback.c
SRCS_tests/loopback/test_guest_net_host.c = $(SIM_SRCS) $(HOST_TEST_SRCS) fuzz/loopback.c fuzz/tcp_flow.c
SRCS_tests/loopback/test_guest_stor_host.c = $(SIM_SRCS) $(HOST_TEST_SRCS) fuzz/loopback.c
SRCS_tests/loopback/test_guest_stor_threads.c := $(USER_SRCS) $(THREADED_HOST_SRCS)
SRCS_tests/loopback/test_guest_net_threads.c := $(USER_SRCS) $(THREADED_HOST_SRCS) fuzz/tcp_flow.c
SRCS_tests/loopback/test_guest_threads.c := $(USER_SRCS) user/fuzz/echo_driver.c $(THREADED_HOST_SRCS)
SRCS_tests/loopback/test_save_load.c := $(HOST_TEST_SRCS)
SRCS_tests/loopback/test_threads.c := $(HOST_TEST_SRCS)
SRCS_tests/unit/test_acpi.c := vmm/acpi/tables.c
BOOT_SRCS := vmm/boot/image.c vmm/boot/linux.c vmm/boot/pvh.c
SRCS_tests/unit/test_alloc.c := $(HOST_TEST_SRCS)
LIBS_tests/unit/test_alloc.c := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
SRCS_tests/unit/test_boot.c := $(BOOT_SRCS)
SRCS_tests/unit/test_channel.c := $(HOST_TEST_SRCS)
SRCS_tests/unit/test_cmdline.c := vmm/cmdline.c vmm/disk/disk_config.c vmm/net/nic_config.c
SRCS_tests/unit/test_console.c := vmm/console.c vmm/log.c vmm/loop.c vmm/terminal.c
SRCS_tests/unit/test_control.c := vmm/cmdline.c vmm/disk/disk_config.c vmm/net/nic_config.c vmm/control.c vmm/log.c vmm/loop.c
LIBS_tests/unit/test_control.c = $(JANSSON_LIBS)
CFLAGS_tests/unit/test_arm64.c := -Iguest/include
CFLAGS_tests/unit/test_control.c = $(JANSSON_CFLAGS)
SRCS_tests/unit/test_crash.c := vmm/crash.c
IMAGE_SRCS := vmm/image/crc32c.c vmm/image/image.c vmm/image/vhd.c vmm/image/vhdx.c vmm/image/vhdx_header.c vmm/image/vhdx_log.c vmm/image/vhdx_open.c
SRCS_tests/unit/test_disk.c := $(IMAGE_SRCS) vmm/image/store.c vmm/disk/call.c vmm/disk/disk_config.c vmm/disk/file.c vmm/disk/threads.c vmm/disk/uring.c vmm/loop.c
LIBS_tests/unit/test_disk.c := -luring
LIBS_tests/unit/test_crash.c = $(JANSSON_LIBS)
CFLAGS_tests/unit/test_crash.c = $(JANSSON_CFLAGS)
SRCS_tests/unit/test_enlighten.c := vmm/enlighten.c
SRCS_tests/unit/test_fault_guard.c := vmm/fault_guard.c
SRCS_tests/unit/test_freeze.c := daemons/freeze.c
SRCS_tests/unit/test_mounts.c := daemons/mounts.c
SRCS_tests/unit/test_pool.c := daemons/pool.c
SRCS_tests/unit/test_target.c := daemons/target.c
SRCS_tests/unit/test_uio.c := daemons/service.c daemons/uio.c
CFLAGS_tests/unit/test_uio.c := -DHVIS_VERSION='"test"'
SRCS_tests/unit/test_gpadl.c := $(HOST_TEST_SRCS)
SRCS_tests/unit/test_guest_bus.c := $(SIM_SRCS) fuzz/fake_host.c
SRCS_tests/unit/test_guest_chan.c := $(SIM_SRCS) fuzz/fake_host.c
SRCS_tests/unit/test_guest_hv.c := $(SIM_SRCS) fuzz/fake_host.c
SRCS_tests/unit/test_guest_ic.c := $(SIM_SRCS) fuzz/fake_host.c
SRCS_tests/unit/test_guest_fcopy.c := $(SIM_SRCS) fuzz/fake_host.c
SRCS_tests/unit/test_guest_kvp.c := $(SIM_SRCS) fuzz/fake_host.c
SRCS_tests/unit/test_guest_stor.c := $(SIM_SRCS) fuzz/fake_host.c
SRCS_tests/unit/test_guest_net.c := $(SIM_SRCS) fuzz/fake_host.c fuzz/net_host.c
SRCS_tests/unit/test_guest_vss.c := $(SIM_SRCS) fuzz/fake_host.c
SRCS_tests/unit/test_vss.c := $(HOST_TEST_SRCS)
SRCS_tests/unit/test_heartbeat.c := $(HOST_TEST_SRCS)
IMAGE_TEST_SRCS := $(IMAGE_SRCS) vmm/disk/call.c fuzz/image_driver.c fuzz/image_maker.c fuzz/memory_store.c
SRCS_tests/unit/test_image.c := $(IMAGE_TEST_SRCS)
SRCS_tests/unit/test_image_crash.c := $(IMAGE_TEST_SRCS)
SRCS_tests/unit/test_image_qemu.c := $(IMAGE_SRCS) vmm/image/store.c vmm/disk/call.c vmm/disk/disk_config.c vmm/disk/file.c vmm/disk/threads.c vmm/disk/uring.c vmm/loop.c
LIBS_tests/unit/test_image_qemu.c := -luring
SRCS_tests/unit/test_inject.c := $(HOST_TEST_SRCS)
SRCS_tests/unit/test_io_loops.c := vmm/io_loops.c vmm/log.c vmm/loop.c
SRCS_tests/unit/test_hotplug.c := $(HOST_TEST_SRCS)
SRCS_tests/unit/test_irq_routes.c := vmm/irq_routes.c
SRCS_tests/unit/test_loop.c := vmm/loop.c
SRCS_tests/unit/test_memmap.c := vmm/memmap.c
SRCS_tests/unit/test_fcopy.c := $(HOST_TEST_SRCS)
SRCS_tests/unit/test_kvp.c := $(HOST_TEST_SRCS)
SRCS_tests/unit/test_net.c := $(HOST_TEST_SRCS) fuzz/net_script.c
SRCS_tests/unit/test_net_join.c := $(HOST_TEST_SRCS) fuzz/net_script.c
SRCS_tests/unit/test_net_queues.c := $(HOST_TEST_SRCS) fuzz/net_script.c
SRCS_tests/unit/test_scsi.c := $(HOST_TEST_SRCS) fuzz/scsi_script.c
SRCS_tests/unit/test_scsi_disk.c := $(HOST_TEST_SRCS) fuzz/scsi_script.c
SRCS_tests/unit/test_scsi_dvd.c := $(HOST_TEST_SRCS) fuzz/scsi_script.c
SRCS_tests/unit/test_pae.c := vmm/pae.c
SRCS_tests/unit/test_pm.c := vmm/loop.c vmm/pio.c vmm/pm.c
SRCS_tests/unit/test_pvh.c := $(BOOT_SRCS)
SRCS_tests/unit/test_rtc.c := vmm/rtc.c
SRCS_tests/unit/test_serial.c := vmm/serial.c
SRCS_tests/unit/test_server.c := $(HOST_TEST_SRCS)
SRCS_tests/unit/test_shutdown.c := $(HOST_TEST_SRCS)
SRCS_tests/unit/test_subchannel.c := $(HOST_TEST_SRCS)
SRCS_tests/unit/test_sim.c = $(PORT_SIM_SRCS) fuzz/soft_hypervisor.c $(SUITE_SRCS)
SRCS_tests/unit/test_tap.c := vmm/log.c vmm/loop.c vmm/net/nic_config.c vmm/net/tap.c
SRCS_tests/unit/test_timesync.c := $(HOST_TEST_SRCS)
SRCS_tests/unit/test_ip_settings.c := vmm/ip_settings.c
LIBS_tests/unit/test_ip_settings.c = $(JANSSON_LIBS)
CFLAGS_tests/unit/test_ip_settings.c = $(JANSSON_CFLAGS)
SRCS_tests/unit/test_trace.c := vmm/log.c vmm/loop.c vmm/trace.c vmm/trace_json.c vmm/trace_net.c vmm/trace_normalise.c
LIBS_tests/unit/test_trace.c = $(JANSSON_LIBS)
CFLAGS_tests/unit/test_trace.c = $(JANSSON_CFLAGS)
SRCS_tests/unit/test_trace_net.c := $(SRCS_tests/unit/test_trace.c)
LIBS_tests/unit/test_trace_net.c = $(JANSSON_LIBS)
CFLAGS_tests/unit/test_trace_net.c = $(JANSSON_CFLAGS)
SRCS_tests/unit/test_user.c = $(USER_SRCS) $(addprefix user/,$(SUITE_SRCS))
SRCS_bench/boot_run.c := bench/bench.c
SRCS_bench/image_run.c := bench/bench.c $(SRCS_tests/unit/test_image_qemu.c)
LIBS_bench/image_run.c := -luring
SRCS_bench/net_peer.c := bench/bench.c
SRCS_bench/chan_run.c := bench/bench.c $(USER_SRCS) $(THREADED_HOST_SRCS)
SRCS_bench/frames_run.c := bench/bench.c $(USER_SRCS) $(THREADED_HOST_SRCS)
SRCS_bench/stor_run.c := bench/bench.c $(USER_SRCS) $(THREADED_HOST_SRCS)
SRCS_bench/bench_ring.c := bench/bench.c bench/ring_dpdk.c bench/ring_hvis.c
LIBS_bench/bench_ring.c := -lrte_bus_vmbus -lrte_eal
CFLAGS_bench/ring_dpdk.c = $(shell $(PKG_CONFIG) --cflags-only-I libdpdk 2>/dev/null) -include rte_config.h
