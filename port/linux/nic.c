/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The module hv_netvsc: the synthetic NIC on the kernel's VMBus, in place of the stock module of this name.
 */
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/module.h>
#include <linux/nls.h>
#include <linux/rtnetlink.h>

#include "nic.h"
#include "nic_compat.h"

#define RING_PAGES_MIN	   64u
#define RING_PAGES_DEFAULT 128u

/* How long sub-channels may take to be offered and opened, when someone waits for them. */
#define QUEUES_MS 3000u

static unsigned int ring_size = RING_PAGES_DEFAULT;
module_param(ring_size, uint, 0444);
MODULE_PARM_DESC(ring_size, "Pages of 4096 bytes in each ring, each way");

static int debug = -1;
module_param(debug, int, 0444);
MODULE_PARM_DESC(debug, "Message level, as ethtool -s msglvl sets it later");

#define MESSAGES_DEFAULT                                                                           \
	(NETIF_MSG_DRV | NETIF_MSG_PROBE | NETIF_MSG_LINK | NETIF_MSG_IFUP | NETIF_MSG_IFDOWN |    \
	 NETIF_MSG_RX_ERR | NETIF_MSG_TX_ERR)

static struct workqueue_struct *nic_works;

/* For lines of the core's. */
static const struct hvg_driver nic_driver = { .name = "network" };

/* --- the core's work -------------------------------------------------------------------------------------- */

static void run_work(struct work_struct *work)
{
	struct hvg_net_port *nic = container_of(to_delayed_work(work), struct hvg_net_port, work);

	rtnl_lock();
	if (nic->ready) {
		nic_apply_filter(nic);
		hvg_net_work(nic->net);
	}
	rtnl_unlock();
}

void hvg_net_port_work(struct hvg_net_port *nic, uint32_t delay_ms)
{
	const unsigned long delay = msecs_to_jiffies(delay_ms);

	if (READ_ONCE(nic->closing))
		return;
	if (!queue_delayed_work(nic_works, &nic->work, delay) &&
	    time_before(jiffies + delay, READ_ONCE(nic->work.timer.expires)))
		mod_delayed_work(nic_works, &nic->work, delay);
}

static void show_link(struct hvg_net_port *nic)
{
	if (hvg_net_link(nic->net))
		netif_carrier_on(nic->ndev);
	else
		netif_carrier_off(nic->ndev);
}

/* Fewer first means that nobody is sent where nobody listens. */
static void show_queues(struct hvg_net_port *nic)
{
	const unsigned count = hvg_net_queue_count(nic->net);
	int err = netif_set_real_num_tx_queues(nic->ndev, count);

	if (!err)
		err = netif_set_real_num_rx_queues(nic->ndev, count);
	if (err)
		netdev_err(nic->ndev, "%u queues: error %d\n", count, -err);
}

void hvg_net_port_changed(struct hvg_net_port *nic, enum hvg_net_change change)
{
	switch (change) {
	case HVG_NET_QUEUES:
		show_queues(nic);
		break;
	case HVG_NET_LINK:
		show_link(nic);
		netif_info(nic, link, nic->ndev, "link %s\n",
			   hvg_net_link(nic->net) ? "up" : "down");
		break;
	case HVG_NET_PEERS:
		netdev_notify_peers(nic->ndev);
		break;
	case HVG_NET_VF:
		nic_vf_changed(nic);
		break;
	case HVG_NET_SPEED: /* who wants to know asks */
		break;
	}
}

/* --- quiet and resume ---------------------------------------------------------------------------------------- */

void nic_quiet(struct hvg_net_port *nic)
{
	netif_device_detach(nic->ndev);
	netif_tx_disable(nic->ndev);
}

static void take_subchannel(struct vmbus_channel *channel)
{
	struct hvg_net_port *nic = hv_get_drvdata(channel->primary_channel->device_obj);
	const u16 index = channel->offermsg.offer.sub_channel_index;

	if (!nic || index >= HVG_NET_QUEUES_MAX)
		return;
	hvg_linux_chan_init(&nic->subs[index], nic->device, channel);
	hvg_net_subchannel(nic->net, &nic->subs[index]);
}

/* Before any are asked for: the kernel forgets it each time that the first channel is closed. */
static void expect_subchannels(struct hvg_net_port *nic)
{
	vmbus_set_sc_create_callback(hvg_device_chan(nic->device)->channel, take_subchannel);
}

/* Until all queues are there, or it has taken too long: then they come by and by. */
static void settle_queues(struct hvg_net_port *nic)
{
	unsigned waited_ms;

	for (waited_ms = 0; waited_ms < QUEUES_MS; waited_ms += 10) {
		hvg_net_work(nic->net);
		if (hvg_net_settled(nic->net))
			return;
		msleep(10);
	}
}

void nic_resume(struct hvg_net_port *nic)
{
	expect_subchannels(nic);
	settle_queues(nic);
	show_queues(nic);
	show_link(nic);
	netif_device_attach(nic->ndev);
}

int nic_reconfigure(struct hvg_net_port *nic, const struct hvg_net_config *config)
{
	int err;

	if (!hvg_net_attached(nic->net))
		return -ENODEV;
	nic_quiet(nic);
	err = hvg_net_reconfigure(nic->net, config);
	nic->config = *hvg_net_config(nic->net);
	if (hvg_net_attached(nic->net))
		nic_resume(nic);
	else
		netdev_err(nic->ndev, "lost: error %d\n", -err);
	return err;
}

/* --- the device ------------------------------------------------------------------------------------------------ */

static u32 filter_of(const struct net_device *ndev)
{
	u32 filter = HVP_FILTER_DIRECTED;

	if (!netif_running(ndev))
		return 0;
	if (ndev->flags & IFF_PROMISC)
		return HVP_FILTER_PROMISCUOUS;
	if (!netdev_mc_empty(ndev) || ndev->flags & IFF_ALLMULTI)
		filter |= HVP_FILTER_ALL_MULTICAST;
	if (ndev->flags & IFF_BROADCAST)
		filter |= HVP_FILTER_BROADCAST;
	return filter;
}

void nic_apply_filter(struct hvg_net_port *nic)
{
	const u32 filter = filter_of(nic->ndev);
	int err;

	if (!xchg(&nic->filter_wanted, false) || !filter)
		return;
	err = hvg_net_set_filter(nic->net, filter);
	if (err)
		netdev_warn(nic->ndev, "filter 0x%x: error %d\n", filter, -err);
}

static int nic_open(struct net_device *ndev)
{
	struct hvg_net_port *nic = nic_of(ndev);
	int err;

	if (!hvg_net_attached(nic->net))
		return -ENODEV;
	err = hvg_net_set_filter(nic->net, HVP_FILTER_DIRECTED | HVP_FILTER_ALL_MULTICAST |
						   HVP_FILTER_BROADCAST);
	if (err) {
		netdev_err(ndev, "it does not open: error %d\n", -err);
		return err;
	}
	netif_tx_start_all_queues(ndev);
	show_link(nic);
	err = nic_vf_open(nic);
	if (err)
		netdev_warn(ndev, "without its virtual function: error %d\n", -err);
	return 0;
}

static int nic_stop(struct net_device *ndev)
{
	struct hvg_net_port *nic = nic_of(ndev);

	netif_tx_disable(ndev);
	/* Closed it is, whatever a host that is gone says. */
	(void)!hvg_net_set_filter(nic->net, 0);
	nic_vf_close(nic);
	return 0;
}

/* With the address lock: later. */
static void nic_set_rx_mode(struct net_device *ndev)
{
	struct hvg_net_port *nic = nic_of(ndev);

	nic_vf_set_rx_mode(nic);
	WRITE_ONCE(nic->filter_wanted, true);
	hvg_net_port_work(nic, 0);
}

static int nic_change_mtu(struct net_device *ndev, int mtu)
{
	struct hvg_net_port *nic = nic_of(ndev);
	struct hvg_net_config config = nic->config;
	int err;

	if (rtnl_dereference(nic->program) && mtu > nic_xdp_mtu_max())
		return -EINVAL;
	/* First the one that may refuse. */
	err = nic_vf_set_mtu(nic, mtu);
	if (err)
		return err;
	config.mtu = mtu;
	err = nic_reconfigure(nic, &config);
	if (!err)
		ndev->mtu = min_t(u32, mtu, hvg_net_info(nic->net)->mtu_max);
	else if (nic_vf_set_mtu(nic, ndev->mtu))
		netdev_warn(ndev, "its virtual function has another MTU\n");
	return err;
}

static int nic_set_mac(struct net_device *ndev, void *address)
{
	struct hvg_net_port *nic = nic_of(ndev);
	const struct sockaddr *wanted = address;
	struct sockaddr before = { .sa_family = ARPHRD_ETHER };
	int err = eth_prepare_mac_addr_change(ndev, address);

	ether_addr_copy(before.sa_data, ndev->dev_addr);
	if (!err)
		err = nic_vf_set_mac(nic, address);
	if (err)
		return err;
	err = hvg_net_set_mac(nic->net, wanted->sa_data);
	if (!err)
		eth_commit_mac_addr_change(ndev, address);
	else if (nic_vf_set_mac(nic, &before))
		netdev_warn(ndev, "its virtual function has another address\n");
	return err;
}

static const struct net_device_ops nic_ops = {
	.ndo_open = nic_open,
	.ndo_stop = nic_stop,
	.ndo_start_xmit = nic_start_xmit,
	.ndo_select_queue = nic_select_queue,
	.ndo_set_rx_mode = nic_set_rx_mode,
	.ndo_change_mtu = nic_change_mtu,
	.ndo_set_mac_address = nic_set_mac,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_get_stats64 = nic_get_stats,
	.ndo_fix_features = nic_fix_features,
	.ndo_set_features = nic_set_features,
	.ndo_features_check = nic_features_check,
	.ndo_bpf = nic_bpf,
	.ndo_xdp_xmit = nic_xdp_xmit,
};

bool nic_is_ours(const struct net_device *ndev)
{
	return ndev->netdev_ops == &nic_ops;
}

/* The name that the host's administrator gave it, unless it is the one that all have. */
static void take_name(struct hvg_net_port *nic)
{
	const struct hvg_net_info *info = hvg_net_info(nic->net);
	char alias[IFALIASZ];
	int len;

	if (!info->name_len)
		return;
	len = utf16s_to_utf8s((const wchar_t *)info->name, info->name_len, UTF16_LITTLE_ENDIAN,
			      (u8 *)alias, sizeof(alias));
	len = strnlen(alias, min_t(size_t, len, sizeof(alias)));
	if (len && (len != strlen("Network Adapter") || strncmp(alias, "Network Adapter", len)))
		dev_set_alias(nic->ndev, alias, len);
}

static int register_nic(struct hvg_net_port *nic)
{
	const struct hvg_net_info *info = hvg_net_info(nic->net);
	struct net_device *ndev = nic->ndev;
	int err;

	compat_hw_addr_set(ndev, info->mac);
	ndev->netdev_ops = &nic_ops;
	ndev->ethtool_ops = &nic_ethtool_ops;
	ndev->min_mtu = ETH_MIN_MTU;
	ndev->max_mtu = info->version >= HVP_NVSP_2 ? 65535 - ETH_HLEN : ETH_DATA_LEN;
	ndev->mtu = min_t(u32, ETH_DATA_LEN, info->mtu_max);
	nic_features_init(nic);
	show_queues(nic);
	/* Only a change behind the registration is seen: it comes when the device is opened. */
	netif_carrier_off(ndev);
	err = register_netdevice(ndev);
	if (err)
		return err;
	nic->ready = true;
	take_name(nic);
	nic_vf_add(nic);
	/* For what was asked of it before. */
	hvg_net_port_work(nic, 0);
	return 0;
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static void init_config(struct hvg_net_config *config)
{
	*config = (struct hvg_net_config){
		.mtu = HVG_NET_MTU_DEFAULT,
		.queues = min_t(unsigned, num_online_cpus(), HVG_NET_QUEUES_DEFAULT),
		/* The control page comes on top. */
		.ring_pages = max(ring_size, RING_PAGES_MIN) + 1,
		.receive_bytes = HVG_NET_RECEIVE_BYTES,
		.send_bytes = HVG_NET_SEND_BYTES,
		.version_max = HVP_NVSP_6_1,
		.vf = true,
		.join = true,
	};
}

static void free_nic(struct hvg_net_port *nic)
{
	struct hvg_device *device = nic->device;

	WRITE_ONCE(nic->closing, true);
	cancel_delayed_work_sync(&nic->work);
	if (nic->net)
		hvg_net_destroy(nic->net);
	nic_xdp_fini(nic);
	hvos_free(nic->subs);
	free_percpu(nic->vf_stats);
	free_netdev(nic->ndev);
	if (device)
		hvg_linux_device_destroy(device);
}

static struct hvg_net_port *make_nic(struct hv_device *hv)
{
	struct net_device *ndev =
		alloc_etherdev_mq(sizeof(struct hvg_net_port), HVG_NET_QUEUES_MAX);
	struct hvg_net_port *nic;

	if (!ndev)
		return NULL;
	SET_NETDEV_DEV(ndev, &hv->device);
	nic_init_limits(ndev);
	nic = nic_of(ndev);
	nic->ndev = ndev;
	nic->msg_enable = netif_msg_init(debug, MESSAGES_DEFAULT);
	INIT_DELAYED_WORK(&nic->work, run_work);
	nic_vf_init(nic);
	init_config(&nic->config);
	nic->device = hvg_linux_device_create(hv, &nic_driver);
	nic->subs = hvos_alloc(HVG_NET_QUEUES_MAX * sizeof(*nic->subs));
	nic->vf_stats = netdev_alloc_pcpu_stats(struct nic_vf_stats);
	if (!nic->device || !nic->subs || !nic->vf_stats ||
	    hvg_net_create(nic->device, nic, &nic->net)) {
		free_nic(nic);
		return NULL;
	}
	return nic;
}

static int nic_probe(struct hv_device *hv, const struct hv_vmbus_device_id *id)
{
	struct hvg_net_port *nic;
	int err;

	if (compat_isolated()) {
		hvg_log(HVOS_WARNING, "network: not for guests whose memory the host does not see");
		return -EOPNOTSUPP;
	}
	nic = make_nic(hv);
	if (!nic)
		return -ENOMEM;
	hv_set_drvdata(hv, nic);
	expect_subchannels(nic);
	/* With the rtnl, so that no virtual function of this NIC gets a name before it. */
	rtnl_lock();
	err = hvg_net_attach(nic->net, &nic->config);
	if (!err) {
		err = register_nic(nic);
		if (err)
			hvg_net_detach(nic->net);
	}
	rtnl_unlock();
	if (err) {
		hvg_log(HVOS_WARNING, "network: it cannot be attached: error %d", -err);
		hv_set_drvdata(hv, NULL);
		free_nic(nic);
	}
	return err;
}

static COMPAT_REMOVE_TYPE nic_remove(struct hv_device *hv)
{
	struct hvg_net_port *nic = hv_get_drvdata(hv);

	rtnl_lock();
	nic->ready = false;
	nic_vf_remove(nic);
	unregister_netdevice(nic->ndev);
	hvg_net_detach(nic->net);
	rtnl_unlock();
	hv_set_drvdata(hv, NULL);
	free_nic(nic);
	COMPAT_REMOVE_RETURN(0);
}

static int nic_suspend(struct hv_device *hv)
{
	struct hvg_net_port *nic = hv_get_drvdata(hv);

	rtnl_lock();
	nic_quiet(nic);
	hvg_net_detach(nic->net);
	rtnl_unlock();
	return 0;
}

static int nic_wake_up(struct hv_device *hv)
{
	struct hvg_net_port *nic = hv_get_drvdata(hv);
	int err;

	rtnl_lock();
	err = hvg_net_attach(nic->net, &nic->config);
	if (!err)
		nic_resume(nic);
	rtnl_unlock();
	return err;
}

static const struct hv_vmbus_device_id nic_ids[] = {
	{ HV_NIC_GUID },
	{},
};
MODULE_DEVICE_TABLE(vmbus, nic_ids);

static struct hv_driver nic_hv_driver = {
	.name = KBUILD_MODNAME,
	.id_table = nic_ids,
	.probe = nic_probe,
	.remove = nic_remove,
	.suspend = nic_suspend,
	.resume = nic_wake_up,
	.driver = {
		.probe_type = PROBE_FORCE_SYNCHRONOUS,
	},
};

static int __init nic_init(void)
{
	int err = hvos_linux_start();

	if (err)
		return err;
	nic_works = alloc_workqueue("%s-control", WQ_UNBOUND, 0, KBUILD_MODNAME);
	err = nic_works ? 0 : -ENOMEM;
	if (err)
		goto err_stop;
	err = nic_vf_start();
	if (err)
		goto err_works;
	err = vmbus_driver_register(&nic_hv_driver);
	if (err)
		goto err_functions;
	return 0;

err_functions:
	nic_vf_stop();
err_works:
	destroy_workqueue(nic_works);
err_stop:
	hvos_linux_stop();
	return err;
}

static void __exit nic_exit(void)
{
	vmbus_driver_unregister(&nic_hv_driver);
	nic_vf_stop();
	destroy_workqueue(nic_works);
	hvos_linux_stop();
}

module_init(nic_init);
module_exit(nic_exit);

MODULE_DESCRIPTION("Hyper-V synthetic network");
/* By the prefix administrators, and `hvis status`, tell it from others. */
MODULE_VERSION("hvis-" HVIS_VERSION);
MODULE_LICENSE("Dual BSD/GPL");
