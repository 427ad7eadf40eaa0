/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How lwIP is built for the guest with a protocol stack: one thread, its own heap, everything that this guest shows.
 */
#ifndef TESTS_GUESTS_LWIP_LWIPOPTS_H
#define TESTS_GUESTS_LWIP_LWIPOPTS_H

#define NO_SYS		     1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN	     0
#define LWIP_SOCKET	     0
#define LWIP_STATS	     0

#define LWIP_IPV6		   1
#define IPV6_FRAG_COPYHEADER	   1 /* pointers of 64 bits do not fit where it keeps them otherwise */
#define LWIP_DHCP		   1
#define DHCP_DOES_ARP_CHECK	   0
#define LWIP_NETIF_STATUS_CALLBACK 1

#define MEM_ALIGNMENT	8
#define MEM_SIZE	(16u << 20)
#define MEMP_MEM_MALLOC 1

/* A frame comes with its Ethernet header, so there is room for one in front of an answer; and answers of any size fit. */
#define LWIP_ICMP_ECHO_CHECK_INPUT_PBUF_LEN 0
#define IP_REASS_MAX_PBUFS		    200

#define TCP_MSS		   8960
/* All that may wait to be sent back is in one chain, whose length has 16 bits. */
#define TCP_WND		   (56u << 10)
#define TCP_SND_BUF	   (60u << 10)
#define TCP_SND_QUEUELEN   256
#define MEMP_NUM_TCP_SEG   TCP_SND_QUEUELEN
#define TCP_SNDLOWAT	   16384
#define TCP_LISTEN_BACKLOG 0

#endif
