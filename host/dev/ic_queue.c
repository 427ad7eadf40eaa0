/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "ic_queue_priv.h"

#include <errno.h>
#include <string.h>

#include <hvh/hvh_state.h>

static struct ic_queue *queue_of(struct ic *ic)
{
	return (struct ic_queue *)ic;
}

static const struct ic_queue_class *class_of(const struct ic_queue *queue)
{
	return (const struct ic_queue_class *)queue->ic.class;
}

void hvh_ic_queue_init(struct ic_queue *queue, const struct ic_queue_class *class,
		       const struct hvh_device_ops *ops, const char *name, struct hvp_guid class_id,
		       struct hvp_guid instance_id)
{
	hvh_ic_init(&queue->ic, &class->ic, ops, name, class_id, instance_id);
	queue->last = &queue->first;
}

/* Its length, or why not. */
static int build(const struct ic_queue *queue, const struct hvh_ic_link *link,
		 uint8_t body[IC_BODY_MAX])
{
	const int bytes = class_of(queue)->body_bytes(link);
	int err;

	if (bytes < 0)
		return bytes;
	memset(body, 0, (size_t)bytes);
	err = class_of(queue)->build(link, body);
	return err ? err : bytes;
}

int hvh_ic_queue_check_ready(const struct ic_queue *queue)
{
	return queue->ic.status.state == HVH_IC_READY ? 0 : -ENOTCONN;
}

int hvh_ic_queue_check(struct ic_queue *queue, const struct hvh_ic_link *link)
{
	uint8_t body[IC_BODY_MAX];
	int len;

	if (hvh_ic_queue_check_ready(queue))
		return -ENOTCONN;
	len = build(queue, link, body);
	return len < 0 ? len : 0;
}

void hvh_ic_queue_add(struct ic_queue *queue, struct hvh_ic_link *link)
{
	link->next = NULL;
	*queue->last = link;
	queue->last = &link->next;
}

static void finish(struct ic_queue *queue, int result, uint32_t status)
{
	struct hvh_ic_link *link = queue->first;

	queue->first = link->next;
	if (!queue->first)
		queue->last = &queue->first;
	queue->started = false;
	hvh_device_arm(&queue->ic.device, 0);
	class_of(queue)->done(queue, link, result, status);
}

/* Send the first request, unless an answer is waited for. */
void hvh_ic_queue_go_on(struct ic_queue *queue)
{
	while (queue->first && !queue->ic.outstanding) {
		uint8_t message[HVW_IC_HEADERS + IC_BODY_MAX];
		int err;

		if (!queue->started)
			hvh_device_arm(&queue->ic.device,
				       hvh_device_now(&queue->ic.device) +
					       class_of(queue)->timeout_ns(queue->first));
		queue->started = true;
		err = build(queue, queue->first, message + HVW_IC_HEADERS);
		if (err > 0)
			err = hvh_ic_request(&queue->ic, message, (size_t)err);
		/* The guest says when there is room again, or the time runs out. */
		if (!err || err == -EAGAIN)
			return;
		finish(queue, err, 0);
	}
}

struct hvh_ic_link *hvh_ic_queue_take_all(struct ic_queue *queue)
{
	struct hvh_ic_link *all = queue->first;

	queue->first = NULL;
	queue->last = &queue->first;
	return all;
}

/* --- the service ------------------------------------------------------------------------------------- */

void hvh_ic_queue_ready(struct ic *ic)
{
	struct ic_queue *queue = queue_of(ic);

	if (class_of(queue)->ready)
		class_of(queue)->ready(queue);
	hvh_ic_queue_go_on(queue);
}

bool hvh_ic_queue_reply(struct ic *ic, const struct hvw_ic *message)
{
	struct ic_queue *queue = queue_of(ic);
	uint32_t status = message->h.status;
	int err = 0;

	if (!queue->started) {
		/* To a request that was under way when the state was saved. */
		hvh_device_arm(&ic->device, 0);
	} else {
		if (status == HVP_IC_SUCCESS && class_of(queue)->parse)
			err = class_of(queue)->parse(message, queue->first);
		finish(queue, err, status);
	}
	hvh_ic_queue_go_on(queue);
	return !err;
}

void hvh_ic_queue_lost(struct ic *ic)
{
	struct ic_queue *queue = queue_of(ic);

	while (queue->first)
		finish(queue, -ENOTCONN, 0);
	hvh_device_arm(&ic->device, 0);
	if (class_of(queue)->closed)
		class_of(queue)->closed(queue);
}

void hvh_ic_queue_expire(struct hvh_device *device, uint64_t now_ns)
{
	struct ic_queue *queue = (struct ic_queue *)device;

	(void)now_ns;
	hvh_ic_forget(&queue->ic);
	if (queue->started)
		finish(queue, -ETIMEDOUT, 0);
	hvh_ic_queue_go_on(queue);
}

void hvh_ic_queue_notify(struct hvh_device *device, struct hvh_channel *channel)
{
	hvh_ic_notify(device, channel);
	hvh_ic_queue_go_on((struct ic_queue *)device);
}

/* --- save and load ----------------------------------------------------------------------------------- */

void hvh_ic_queue_save(const struct ic_queue *queue, struct hvh_state_writer *w)
{
	hvh_ic_save(&queue->ic, w);
	hvh_ic_save_deadline(&queue->ic, w);
}

int hvh_ic_queue_load(struct ic_queue *queue, struct hvh_state_reader *r)
{
	int err = hvh_ic_load(&queue->ic, r);

	hvh_ic_load_deadline(&queue->ic, r, class_of(queue)->timeout_max_ns);
	return err;
}

void hvh_ic_queue_loaded(struct ic_queue *queue)
{
	if (queue->first && !queue->ic.outstanding)
		hvh_device_arm(&queue->ic.device, hvh_device_now(&queue->ic.device) + 1);
}
