/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A NIC's life: attach and detach, sub-channels, and what there is to do by and by.
 */
#include "net_priv.h"

#define MTU_MIN 68u
#define MTU_MAX (65535u - HVG_NET_ETHERNET)

static bool is_attached(const struct hvg_net *net)
{
	return net->attached;
}

/* --- create, destroy ------------------------------------------------------------------------------------ */

int hvg_net_create(struct hvg_device *device, struct hvg_net_port *port, struct hvg_net **out)
{
	const uint32_t request_pages = HVG_NET_REQUESTS * HVG_NET_REQUEST_BYTES / HVP_PAGE_SIZE;
	struct hvg_net *net = hvos_alloc(sizeof(*net));
	unsigned i;
	int err = -ENOMEM;

	if (!net)
		return -ENOMEM;
	net->device = device;
	net->port = port;
	for (i = 0; i < HVG_NET_QUEUES_MAX; i++) {
		net->queues[i].net = net;
		net->queues[i].index = i;
	}
	net->queue_count = net->granted = 1;
	hvg_net_settings_init(net);
	net->rndis_answer = hvos_alloc(HVG_NET_ANSWER_BYTES);
	net->indication = hvos_alloc(HVG_NET_ANSWER_BYTES);
	if (net->rndis_answer && net->indication)
		err = hvos_shared_alloc(&net->requests, request_pages);
	if (err) {
		hvos_free(net->indication);
		hvos_free(net->rndis_answer);
		hvos_free(net);
		return err;
	}
	hvos_mutex_init(&net->subs_mutex, "hvg net sub-channels");
	hvg_net_question_init(&net->setup);
	hvg_net_question_init(&net->rndis);
	*out = net;
	return 0;
}

void hvg_net_destroy(struct hvg_net *net)
{
	hvg_net_question_fini(&net->rndis);
	hvg_net_question_fini(&net->setup);
	hvos_mutex_fini(&net->subs_mutex);
	/* The host knows it by no handle: with the channel it has let go. */
	(void)!hvos_shared_free(&net->requests);
	hvos_free(net->indication);
	hvos_free(net->rndis_answer);
	hvos_free(net);
}

/* --- attach, detach ------------------------------------------------------------------------------------- */

static bool config_valid(const struct hvg_net_config *config)
{
	return config->mtu >= MTU_MIN && config->mtu <= MTU_MAX && config->queues &&
	       config->queues <= HVG_NET_QUEUES_MAX && config->ring_pages >= HVP_RING_MIN_PAGES &&
	       config->receive_bytes >= HVP_PAGE_SIZE &&
	       config->receive_bytes <= HVG_NET_RECEIVE_MAX &&
	       config->send_bytes <= HVG_NET_SEND_MAX;
}

/* Whatever of it was opened. Nobody sends. */
static void close_all(struct hvg_net *net)
{
	unsigned i;

	hvos_mutex_lock(&net->subs_mutex);
	net->subs_wanted = false;
	for (i = HVG_NET_QUEUES_MAX; i--;)
		hvg_net_queue_stop(&net->queues[i]);
	/* Nobody reads the buffers any more, and the host, which still has the channel, lets go. */
	hvg_net_nvsp_unshare(net);
	for (i = HVG_NET_QUEUES_MAX; i--;)
		hvg_net_queue_close(&net->queues[i]);
	net->opened = 0;
	hvos_mutex_unlock(&net->subs_mutex);
	for (i = 0; i < HVG_NET_REQUESTS; i++)
		net->request_busy[i] = 0;
	__atomic_store_n(&net->queue_count, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&net->tx_table_set, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&net->vf_active, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&net->vf_allocated, 0, __ATOMIC_RELAXED);
}

static int open_first(struct hvg_net *net)
{
	int err;

	hvos_mutex_lock(&net->subs_mutex);
	err = hvg_net_queue_open(&net->queues[0], hvg_net_chan(net));
	hvos_mutex_unlock(&net->subs_mutex);
	return err;
}

static int agree(struct hvg_net *net)
{
	int err = hvg_net_nvsp_start(net);

	if (!err)
		err = hvg_net_queue_prepare(&net->queues[0]);
	if (!err)
		err = hvg_net_rndis_start(net);
	if (!err)
		err = hvg_net_settings_query(net);
	return err;
}

int hvg_net_attach(struct hvg_net *net, const struct hvg_net_config *config)
{
	int err;

	if (is_attached(net) || !config_valid(config))
		return -EINVAL;
	net->config = *config;
	hvw_memset(&net->info, 0, sizeof(net->info));
	net->link_head = net->link_tail = 0;
	net->granted = 1;
	net->link_next_ns = 0;
	net->link_back = net->link_ask = false;
	__atomic_store_n(&net->todo, 0, __ATOMIC_RELAXED);
	err = open_first(net);
	if (err)
		return err;
	err = agree(net);
	if (!err && net->filter) {
		__atomic_store_n(&net->receiving, 1, __ATOMIC_RELAXED);
		err = hvg_net_settings_filter(net, net->filter);
	}
	if (err) {
		__atomic_store_n(&net->receiving, 0, __ATOMIC_RELAXED);
		hvg_net_nvsp_stop(net);
		close_all(net);
		return err;
	}
	net->attached = true;
	if (net->info.queues_max > 1 && config->queues > 1)
		hvg_net_todo(net, HVG_NET_TODO_SUBS, 0);
	return 0;
}

/* The filter stays known, for the next attach. */
void hvg_net_detach(struct hvg_net *net)
{
	const uint32_t filter = net->filter;

	if (!is_attached(net))
		return;
	hvos_mutex_lock(&net->subs_mutex);
	net->subs_wanted = false;
	hvos_mutex_unlock(&net->subs_mutex);
	/* A host that does not answer is waited for once. */
	net->leave_ns = hvg_net_deadline_ns(net);
	/* What fails here fails because the device is gone, or the host deaf. */
	(void)!hvg_net_set_filter(net, 0);
	net->filter = filter;
	hvg_net_rndis_halt(net);
	hvg_net_nvsp_stop(net);
	net->leave_ns = 0;
	net->attached = false;
	close_all(net);
}

int hvg_net_reconfigure(struct hvg_net *net, const struct hvg_net_config *config)
{
	const struct hvg_net_config before = net->config;
	int err;

	if (!config_valid(config))
		return -EINVAL;
	hvg_net_detach(net);
	err = hvg_net_attach(net, config);
	if (err && err != -ENODEV && hvg_net_attach(net, &before))
		hvg_log(HVOS_ERROR, "network: it cannot be made as it was either");
	return err;
}

bool hvg_net_attached(const struct hvg_net *net)
{
	return is_attached(net);
}

/* --- sub-channels ----------------------------------------------------------------------------------------- */

/* With subs_mutex. */
static bool is_wanted(const struct hvg_net *net, uint32_t index)
{
	hvos_mutex_assert(&net->subs_mutex);
	return net->subs_wanted && index && index < net->granted && !net->queues[index].open;
}

void hvg_net_subchannel(struct hvg_net *net, struct hvg_chan *chan)
{
	const uint32_t index = hvg_chan_index(chan);
	struct hvg_net_queue *queue;
	int err;

	hvos_mutex_lock(&net->subs_mutex);
	if (is_wanted(net, index)) {
		queue = &net->queues[index];
		err = hvg_net_queue_open(queue, chan);
		if (!err)
			err = hvg_net_queue_prepare(queue);
		if (err) {
			hvg_log(HVOS_WARNING, "network: queue %u cannot be opened: error %d", index,
				-err);
			hvg_net_queue_stop(queue);
			hvg_net_queue_close(queue);
		} else if (++net->opened == net->granted - 1) {
			hvg_net_todo(net, HVG_NET_TODO_QUEUES, 0);
		}
	}
	hvos_mutex_unlock(&net->subs_mutex);
}

/* The host takes one of several away, or all before the device. */
void hvg_net_subchannel_gone(struct hvg_net *net, struct hvg_chan *chan)
{
	const uint32_t index = hvg_chan_index(chan);
	struct hvg_net_queue *queue;

	hvos_mutex_lock(&net->subs_mutex);
	queue = index < HVG_NET_QUEUES_MAX ? &net->queues[index] : NULL;
	if (queue && queue->open && queue->chan == chan) {
		__atomic_store_n(&net->queue_count, 1, __ATOMIC_RELEASE);
		hvg_net_queue_stop(queue);
		hvg_net_queue_close(queue);
		net->opened--;
		hvg_net_todo(net, HVG_NET_TODO_QUEUES, 0);
	}
	hvos_mutex_unlock(&net->subs_mutex);
}

/* They may be offered before the host's answer is here. */
static void ask_subchannels(struct hvg_net *net)
{
	unsigned wanted = net->config.queues, granted = 0;
	int err;

	if (wanted > net->info.queues_max)
		wanted = net->info.queues_max;
	hvos_mutex_lock(&net->subs_mutex);
	net->subs_wanted = true;
	net->granted = wanted;
	hvos_mutex_unlock(&net->subs_mutex);
	err = hvg_net_nvsp_subchannels(net, wanted - 1, &granted);
	if (err)
		hvg_log(HVOS_WARNING, "network: one queue alone: error %d", -err);
	hvos_mutex_lock(&net->subs_mutex);
	net->granted = granted + 1;
	if (granted && net->opened == granted)
		hvg_net_todo(net, HVG_NET_TODO_QUEUES, 0);
	hvos_mutex_unlock(&net->subs_mutex);
}

/* All are open, or one has gone. */
static void use_queues(struct hvg_net *net)
{
	unsigned count;
	int err;

	hvos_mutex_lock(&net->subs_mutex);
	count = net->opened == net->granted - 1 ? net->granted : 1;
	hvos_mutex_unlock(&net->subs_mutex);
	__atomic_store_n(&net->queue_count, count, __ATOMIC_RELEASE);
	if (!net->rss_set)
		hvg_net_settings_rss_default(net);
	err = hvg_net_settings_rss(net);
	if (err) {
		hvg_log(HVOS_WARNING, "network: the host does not distribute: error %d", -err);
		__atomic_store_n(&net->queue_count, 1, __ATOMIC_RELEASE);
	}
	hvg_net_port_changed(net->port, HVG_NET_QUEUES);
}

unsigned hvg_net_queue_count(const struct hvg_net *net)
{
	return __atomic_load_n(&net->queue_count, __ATOMIC_ACQUIRE);
}

bool hvg_net_settled(const struct hvg_net *net)
{
	const uint32_t todo = __atomic_load_n(&net->todo, __ATOMIC_ACQUIRE);

	return !(todo & (HVG_NET_TODO_SUBS | HVG_NET_TODO_QUEUES)) &&
	       net->granted == hvg_net_queue_count(net);
}

unsigned hvg_net_tx_queue(const struct hvg_net *net, uint32_t hash)
{
	const unsigned count = hvg_net_queue_count(net);

	/* The host's numbers are wrapped, not believed. */
	if (__atomic_load_n(&net->tx_table_set, __ATOMIC_ACQUIRE))
		return __atomic_load_n(&net->tx_table[hash % HVP_NVSP_INDIRECTION_ENTRIES],
				       __ATOMIC_RELAXED) %
		       count;
	return hash % HVP_NVSP_INDIRECTION_ENTRIES % count;
}

uint32_t hvg_net_tx_entry(const struct hvg_net *net, unsigned entry)
{
	return __atomic_load_n(&net->tx_table_set, __ATOMIC_ACQUIRE) ?
		       __atomic_load_n(&net->tx_table[entry], __ATOMIC_RELAXED) :
		       0;
}

/* --- the work ------------------------------------------------------------------------------------------------ */

void hvg_net_todo(struct hvg_net *net, uint32_t what, uint32_t delay_ms)
{
	__atomic_fetch_or(&net->todo, what, __ATOMIC_RELEASE);
	hvg_net_port_work(net->port, delay_ms);
}

static void nudge(struct hvg_net *net)
{
	unsigned i;

	hvos_mutex_lock(&net->subs_mutex);
	for (i = 0; i < HVG_NET_QUEUES_MAX; i++) {
		struct hvg_net_queue *queue = &net->queues[i];

		if (!queue->open || hvg_net_sendable(queue))
			continue;
		__atomic_store_n(&queue->room, 1, __ATOMIC_SEQ_CST);
		hvg_net_port_schedule(&queue->port);
	}
	hvos_mutex_unlock(&net->subs_mutex);
}

static void kick(struct hvg_net *net)
{
	unsigned i;

	hvos_mutex_lock(&net->subs_mutex);
	for (i = 0; i < HVG_NET_QUEUES_MAX; i++) {
		struct hvg_net_queue *queue = &net->queues[i];

		if (queue->open && __atomic_exchange_n(&queue->kick_due, 0, __ATOMIC_RELAXED))
			hvg_chan_kick(queue->chan);
	}
	hvos_mutex_unlock(&net->subs_mutex);
}

void hvg_net_work(struct hvg_net *net)
{
	const uint32_t todo = __atomic_exchange_n(&net->todo, 0, __ATOMIC_ACQ_REL);

	if (todo & HVG_NET_TODO_KICK)
		kick(net);
	if (!is_attached(net))
		return;
	if (todo & HVG_NET_TODO_NUDGE)
		nudge(net);
	if (todo & HVG_NET_TODO_SUBS)
		ask_subchannels(net);
	if (todo & HVG_NET_TODO_QUEUES)
		use_queues(net);
	if (todo & HVG_NET_TODO_VF)
		hvg_net_port_changed(net->port, HVG_NET_VF);
	if (todo & (HVG_NET_TODO_LINK | HVG_NET_TODO_SPEED | HVG_NET_TODO_ASK))
		hvg_net_link_work(net, todo);
}

/* --- what others ask --------------------------------------------------------------------------------------------- */

const struct hvg_net_config *hvg_net_config(const struct hvg_net *net)
{
	return &net->config;
}

const struct hvg_net_info *hvg_net_info(const struct hvg_net *net)
{
	return &net->info;
}

struct hvg_net_queue *hvg_net_queue(struct hvg_net *net, unsigned index)
{
	return &net->queues[index];
}

struct hvg_net_port_queue *hvg_net_queue_port(struct hvg_net_queue *queue)
{
	return &queue->port;
}

void hvg_net_counters(const struct hvg_net *net, unsigned queue, struct hvg_net_counters *counters)
{
	const struct hvg_net_counters *tx = &net->queues[queue].tx,
				      *poll = &net->queues[queue].poll;

#define SUM(name)                                                                                  \
	counters->name = __atomic_load_n(&tx->name, __ATOMIC_RELAXED) +                            \
			 __atomic_load_n(&poll->name, __ATOMIC_RELAXED);
	HVG_NET_COUNTERS(SUM)
#undef SUM
}
