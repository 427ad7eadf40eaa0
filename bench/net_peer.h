/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network of bench/net: who has which address, and what net_peer does at which port.
 */
#ifndef BENCH_NET_PEER_H
#define BENCH_NET_PEER_H

/* Behind the TAP interface is net_peer; behind the others is no more than their names say. */
#define PEER_ADDRESS "10.9.0.1"
#define NULL_ADDRESS "10.8.0.1"
#define ECHO_ADDRESS "10.7.0.1"

#define PEER_DISCARD 5000u /* UDP */
#define PEER_SINK    5001u /* TCP: takes what comes */
#define PEER_SOURCE  5002u /* TCP: sends as many bytes as the 64 bits tell that it gets */
#define PEER_ECHO    5003u /* UDP */
#define PEER_IDLE                                                                                  \
	5004u /* UDP: answers with the idle time of this machine's processors, 64 bits, ms */

#endif
