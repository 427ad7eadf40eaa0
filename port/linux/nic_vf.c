/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A virtual function of the host's network card that belongs to a NIC of ours: its network device becomes the lower half
 * of ours, by the rules of the kernel's own module. While the host's path leads to it, frames go by it both ways; who
 * uses the network sees our device alone.
 *
 * All with the rtnl unless it says otherwise.
 */
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/pci.h>
#include <linux/rtnetlink.h>
#include <net/sch_generic.h>

#include "nic.h"
#include "nic_compat.h"

/* So long user space has to give the function's device its name, before it is brought up. */
#define TAKEOVER_DELAY (HZ / 10)

static LIST_HEAD(nics);

static struct net_device *vf_of(const struct hvg_net_port *nic)
{
	return rtnl_dereference(nic->vf);
}

/* --- which belongs to which ---------------------------------------------------------------------------------- */

static bool describe(const struct net_device *ndev, struct hvg_net_vf_device *device)
{
	struct pci_dev *pci;

	if (ndev->addr_len != ETH_ALEN || !ndev->dev.parent || !dev_is_pci(ndev->dev.parent))
		return false;
	pci = to_pci_dev(ndev->dev.parent);
	if (!pci->slot || kstrtou32(pci_slot_name(pci->slot), 10, &device->serial))
		return false;
	ether_addr_copy(device->permanent, ndev->perm_addr);
	ether_addr_copy(device->current_mac, ndev->dev_addr);
	return true;
}

static struct hvg_net_port *find_nic(const struct net_device *ndev)
{
	struct hvg_net_port *nic, *by_address = NULL;
	struct hvg_net_vf_device device;

	if (!describe(ndev, &device))
		return NULL;
	list_for_each_entry(nic, &nics, others) switch (hvg_net_vf_match(nic->net, &device))
	{
	case HVG_NET_VF_BY_SERIAL:
		return nic;
	case HVG_NET_VF_BY_ADDRESS:
		if (!by_address)
			by_address = nic;
		break;
	case HVG_NET_VF_OTHER:
		break;
	}
	return by_address;
}

/* --- the path ------------------------------------------------------------------------------------------------ */

/* Where the host is to send follows from what there is. */
static void follow(struct hvg_net_port *nic, bool up)
{
	const bool before = nic_vf_path(nic);
	int err = hvg_net_vf_follow(nic->net, up);

	if (err)
		netdev_err(nic->ndev, "the path stays where it is: error %d\n", -err);
	if (nic_vf_path(nic) != before)
		netdev_info(nic->ndev, "data path: %s\n",
			    before ? "synthetic" : "virtual function");
}

void nic_vf_changed(struct hvg_net_port *nic)
{
	struct net_device *vf = vf_of(nic);

	if (!vf)
		nic_vf_look(nic);
	else
		follow(nic, netif_running(vf));
}

/* --- together and apart ---------------------------------------------------------------------------------------- */

static rx_handler_result_t take_frame(struct sk_buff **pskb)
{
	struct sk_buff *skb = skb_share_check(*pskb, GFP_ATOMIC);
	struct nic_vf_stats *stats;
	struct net_device *ndev;

	if (unlikely(!skb))
		return RX_HANDLER_CONSUMED;
	*pskb = skb;
	ndev = rcu_dereference(skb->dev->rx_handler_data);
	stats = this_cpu_ptr(nic_of(ndev)->vf_stats);
	skb->dev = ndev;
	u64_stats_update_begin(&stats->syncp);
	stats->rx_packets++;
	stats->rx_bytes += skb->len;
	u64_stats_update_end(&stats->syncp);
	return RX_HANDLER_ANOTHER;
}

static void sync_addresses(struct net_device *vf, struct net_device *ndev)
{
	dev_uc_sync(vf, ndev);
	dev_mc_sync(vf, ndev);
}

/* As ours is. What fails here leaves the function unused, and is in the log. */
static void take_over(struct hvg_net_port *nic, struct net_device *vf)
{
	struct net_device *ndev = nic->ndev;
	int err = dev_set_mtu(vf, ndev->mtu);

	if (err)
		netdev_warn(vf, "MTU %u: error %d\n", ndev->mtu, -err);
	err = dev_change_flags(vf, ndev->flags | IFF_SLAVE, NULL);
	if (err)
		netdev_warn(vf, "flags: error %d\n", -err);
	netif_addr_lock_bh(ndev);
	sync_addresses(vf, ndev);
	netif_addr_unlock_bh(ndev);
	if (netif_running(ndev)) {
		err = dev_open(vf, NULL);
		if (err)
			netdev_warn(vf, "it does not open: error %d\n", -err);
	}
}

/* Without the rtnl. Who waits for this work may have it. */
static void run_takeover(struct work_struct *work)
{
	struct hvg_net_port *nic =
		container_of(to_delayed_work(work), struct hvg_net_port, takeover);

	if (!rtnl_trylock()) {
		schedule_delayed_work(&nic->takeover, 1);
		return;
	}
	if (vf_of(nic))
		take_over(nic, vf_of(nic));
	rtnl_unlock();
}

static int link_devices(struct net_device *ndev, struct net_device *vf)
{
	int err = netdev_rx_handler_register(vf, take_frame, ndev);

	if (err)
		return err;
	err = netdev_master_upper_dev_link(vf, ndev, NULL, NULL, NULL);
	if (err)
		netdev_rx_handler_unregister(vf);
	return err;
}

static void join(struct hvg_net_port *nic, struct net_device *vf)
{
	struct net_device *ndev = nic->ndev;
	int err;

	if (vf_of(nic))
		return;
	/* It is seen again in the other namespace. */
	if (!net_eq(dev_net(ndev), dev_net(vf))) {
		err = dev_change_net_namespace(vf, dev_net(ndev), "eth%d");
		if (err)
			netdev_err(vf, "it does not come to %s's namespace: error %d\n", ndev->name,
				   -err);
		return;
	}
	err = link_devices(ndev, vf);
	if (err) {
		netdev_err(vf, "it does not go under %s: error %d\n", ndev->name, -err);
		return;
	}
	compat_no_addrconf(vf);
	dev_hold(vf);
	rcu_assign_pointer(nic->vf, vf);
	ndev->needed_headroom = max(ndev->needed_headroom, vf->needed_headroom);
	nic_vf_set_program(nic, rtnl_dereference(nic->program), NULL);
	call_netdevice_notifiers(NETDEV_JOIN, vf);
	netdev_info(ndev, "virtual function: %s\n", vf->name);
	schedule_delayed_work(&nic->takeover, TAKEOVER_DELAY);
}

static void leave(struct hvg_net_port *nic)
{
	struct net_device *ndev = nic->ndev, *vf = vf_of(nic);

	cancel_delayed_work_sync(&nic->takeover);
	follow(nic, false);
	nic_vf_set_program(nic, NULL, NULL);
	netdev_rx_handler_unregister(vf);
	netdev_upper_dev_unlink(vf, ndev);
	dev_uc_unsync(vf, ndev);
	dev_mc_unsync(vf, ndev);
	ndev->needed_headroom = 0;
	RCU_INIT_POINTER(nic->vf, NULL);
	/* Who sends by it is in an RCU section. */
	synchronize_net();
	netdev_info(ndev, "virtual function: %s has left\n", vf->name);
	dev_put(vf);
}

static struct hvg_net_port *nic_above(const struct net_device *vf)
{
	struct hvg_net_port *nic;

	list_for_each_entry(nic, &nics, others) if (vf_of(nic) == vf) return nic;
	return NULL;
}

void nic_vf_look(struct hvg_net_port *nic)
{
	struct net_device *ndev;

	for_each_netdev(dev_net(nic->ndev),
			ndev) if (find_nic(ndev) == nic && !netdev_master_upper_dev_get(ndev))
	{
		join(nic, ndev);
		break;
	}
}

/* --- what becomes of network devices ----------------------------------------------------------------------------- */

/* Ours, those that stand on others, and what is no Ethernet are none. */
static bool is_candidate(const struct net_device *ndev)
{
	return !nic_is_ours(ndev) && ndev->type == ARPHRD_ETHER && !is_vlan_dev(ndev) &&
	       !netif_is_bond_master(ndev);
}

static int notified(struct notifier_block *block, unsigned long event, void *info)
{
	struct net_device *ndev = netdev_notifier_info_to_dev(info);
	struct hvg_net_port *nic;

	if (!is_candidate(ndev))
		return NOTIFY_DONE;
	switch (event) {
	case NETDEV_REGISTER:
		nic = find_nic(ndev);
		if (nic)
			join(nic, ndev);
		return NOTIFY_OK;
	case NETDEV_UNREGISTER:
		nic = nic_above(ndev);
		if (nic)
			leave(nic);
		return NOTIFY_OK;
	case NETDEV_UP:
	case NETDEV_CHANGE:
	case NETDEV_DOWN:
	case NETDEV_GOING_DOWN:
		nic = nic_above(ndev);
		if (nic)
			follow(nic, event != NETDEV_GOING_DOWN && netif_running(ndev));
		return NOTIFY_OK;
	default:
		return NOTIFY_DONE;
	}
}

static struct notifier_block notifier = { .notifier_call = notified };

int nic_vf_start(void)
{
	return register_netdevice_notifier(&notifier);
}

void nic_vf_stop(void)
{
	unregister_netdevice_notifier(&notifier);
}

void nic_vf_init(struct hvg_net_port *nic)
{
	INIT_DELAYED_WORK(&nic->takeover, run_takeover);
	INIT_LIST_HEAD(&nic->others);
}

void nic_vf_add(struct hvg_net_port *nic)
{
	list_add_tail(&nic->others, &nics);
	/* Devices of before this module was loaded. */
	nic_vf_look(nic);
}

void nic_vf_remove(struct hvg_net_port *nic)
{
	if (vf_of(nic))
		leave(nic);
	list_del_init(&nic->others);
}

/* --- what is done to ours is done to it ---------------------------------------------------------------------------- */

int nic_vf_open(struct hvg_net_port *nic)
{
	return vf_of(nic) ? dev_open(vf_of(nic), NULL) : 0;
}

void nic_vf_close(struct hvg_net_port *nic)
{
	if (vf_of(nic))
		dev_close(vf_of(nic));
}

int nic_vf_set_mtu(struct hvg_net_port *nic, unsigned int mtu)
{
	return vf_of(nic) ? dev_set_mtu(vf_of(nic), mtu) : 0;
}

/* `address`: a socket address, whose type is another in newer kernels. */
int nic_vf_set_mac(struct hvg_net_port *nic, void *address)
{
	return vf_of(nic) ? dev_set_mac_address(vf_of(nic), address, NULL) : 0;
}

/* With the address lock. */
void nic_vf_set_rx_mode(struct hvg_net_port *nic)
{
	struct net_device *vf;

	rcu_read_lock();
	vf = rcu_dereference(nic->vf);
	if (vf)
		sync_addresses(vf, nic->ndev);
	rcu_read_unlock();
}

/* The same program sees what comes by the function. */
int nic_vf_set_program(struct hvg_net_port *nic, struct bpf_prog *program,
		       struct netlink_ext_ack *extack)
{
	struct net_device *vf = vf_of(nic);
	struct netdev_bpf bpf = { .command = XDP_SETUP_PROG, .prog = program, .extack = extack };
	int err;

	if (!vf || !vf->netdev_ops->ndo_bpf)
		return 0;
	if (program)
		bpf_prog_inc(program);
	err = vf->netdev_ops->ndo_bpf(vf, &bpf);
	if (err && program)
		bpf_prog_put(program);
	return err;
}

/* --- sending; without the rtnl -------------------------------------------------------------------------------------- */

/* In an RCU section of whatever kind. NULL: frames go by our own queues. */
struct net_device *nic_vf_active(const struct hvg_net_port *nic)
{
	struct net_device *vf = rcu_dereference_check(nic->vf, rcu_read_lock_bh_held());

	return vf && nic_vf_path(nic) && netif_running(vf) && netif_carrier_ok(vf) ? vf : NULL;
}

u16 nic_vf_select_queue(struct net_device *vf, struct sk_buff *skb)
{
	const struct net_device_ops *ops = vf->netdev_ops;
	u16 queue = ops->ndo_select_queue ? ops->ndo_select_queue(vf, skb, NULL) :
					    netdev_pick_tx(vf, skb, NULL);

	/* It has more of them, perhaps: remembered for nic_vf_xmit(). */
	qdisc_skb_cb(skb)->slave_dev_queue_mapping = queue;
	return queue;
}

netdev_tx_t nic_vf_xmit(struct hvg_net_port *nic, struct net_device *vf, struct sk_buff *skb)
{
	struct nic_vf_stats *stats = this_cpu_ptr(nic->vf_stats);
	const unsigned bytes = skb->len;
	int result;

	skb->dev = vf;
	skb_record_rx_queue(skb, qdisc_skb_cb(skb)->slave_dev_queue_mapping);
	result = dev_queue_xmit(skb);
	if (likely(result == NET_XMIT_SUCCESS || result == NET_XMIT_CN)) {
		u64_stats_update_begin(&stats->syncp);
		stats->tx_packets++;
		stats->tx_bytes += bytes;
		u64_stats_update_end(&stats->syncp);
	} else {
		stats->tx_dropped++;
	}
	return result;
}
