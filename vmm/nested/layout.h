/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the outer and the inner hvhost agree on.
 */
#ifndef VMM_NESTED_LAYOUT_H
#define VMM_NESTED_LAYOUT_H

/* 9p: the mount's tag; where the inner side mounts it; the file with the command line, each argument ended by a zero. */
#define NESTED_SHARE_TAG  "share"
#define NESTED_SHARE_PATH "/share"
#define NESTED_SHARE_ARGV "argv"

/* virtio serial ports, by number. */
#define NESTED_PORT_CONSOLE 1
#define NESTED_PORT_CONTROL 2

/* Events on the control stream, besides replies: { "event": NESTED_EVENT_*, … }. */
#define NESTED_EVENT_LOG     "log" /* "level": number, "line": text */
#define NESTED_EVENT_RUNNING "running"
#define NESTED_EVENT_EXIT    "exit" /* "status": enum vmm_exit */

#define NESTED_EVENT_CLOCK "clock" /* "number": of the question; see clock.h */

/* Commands from the outer side that users do not have. */
#define NESTED_COMMAND_CLOCK	 "clock" /* "number", "time_ns": the outer machine's, since 1970 */
#define NESTED_COMMAND_INTERRUPT "interrupt"
#define NESTED_COMMAND_WAKE	 "wake" /* every processor, however idle */

/* The inner Linux's network, when its VM needs one: not the network that the VM sees. */
#define NESTED_NETWORK		"10.0.3.0/24"
#define NESTED_NETWORK_OWN	"10.0.3.15"
#define NESTED_NETWORK_GATEWAY	"10.0.3.2"
#define NESTED_NETWORK_RESOLVER "10.0.3.3"

/* The inner files in the folder of the nested image. */
#define NESTED_KERNEL "vmlinux"
#define NESTED_INITRD "initrd.img"

#endif
