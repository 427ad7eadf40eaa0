/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The character devices of services that a daemon answers for, as /dev/vmbus/hv_kvp: one daemon at a time, a message with
 * each read and write. A file may stay open when the device has gone; reads then say EBADF, as with the kernel's own drivers.
 */
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "hvg/hvg_daemon.h"
#include "hvg/hvg_log.h"
#include "linux_priv.h"

/* More than any message. */
#define MESSAGE_MAX 8192

struct hvg_linux_daemon {
	struct miscdevice misc; /* (c) */
	struct kref refs; /* the device's, and the open file's */
	/* Of the buffer; taken before the lock, and never by who ends the device: memory of users is touched under it. */
	struct mutex io;
	void *buffer; /* (c) MESSAGE_MAX */
	struct mutex lock;
	struct hvg_device *device; /* under the lock; NULL: it has gone */
	bool open; /* under the lock */
	wait_queue_head_t wait;
	unsigned int news; /* (a) counts what a reader may wait for */
};

static void free_daemon(struct kref *refs)
{
	struct hvg_linux_daemon *daemon = container_of(refs, struct hvg_linux_daemon, refs);

	kfree(daemon->misc.name);
	kfree(daemon->buffer);
	kfree(daemon);
}

static void wake(void *ctx)
{
	struct hvg_linux_daemon *daemon = ctx;

	WRITE_ONCE(daemon->news, daemon->news + 1);
	wake_up_interruptible(&daemon->wait);
}

/* --- the file ------------------------------------------------------------------------------------------- */

static int daemon_open(struct inode *inode, struct file *file)
{
	struct hvg_linux_daemon *daemon =
		container_of(file->private_data, struct hvg_linux_daemon, misc);
	int err = -ENODEV;

	mutex_lock(&daemon->lock);
	if (daemon->device)
		err = hvg_daemon_open(daemon->device, wake, daemon);
	if (!err) {
		daemon->open = true;
		kref_get(&daemon->refs);
		file->private_data = daemon;
	}
	mutex_unlock(&daemon->lock);
	/* It has no position, but some daemons give one all the same (pread, pwrite), which is passed over. */
	return err;
}

static int daemon_release(struct inode *inode, struct file *file)
{
	struct hvg_linux_daemon *daemon = file->private_data;

	mutex_lock(&daemon->lock);
	if (daemon->device)
		hvg_daemon_close(daemon->device);
	daemon->open = false;
	mutex_unlock(&daemon->lock);
	kref_put(&daemon->refs, free_daemon);
	return 0;
}

static ssize_t take_message(struct hvg_linux_daemon *daemon, char __user *buffer, size_t size)
{
	int len = -EBADF;

	if (mutex_lock_interruptible(&daemon->io))
		return -ERESTARTSYS;
	mutex_lock(&daemon->lock);
	if (daemon->device)
		len = hvg_daemon_read(daemon->device, daemon->buffer, size);
	mutex_unlock(&daemon->lock);
	if (len > 0 && copy_to_user(buffer, daemon->buffer, len))
		len = -EFAULT;
	mutex_unlock(&daemon->io);
	return len;
}

static ssize_t daemon_read(struct file *file, char __user *buffer, size_t size, loff_t *offset)
{
	struct hvg_linux_daemon *daemon = file->private_data;

	for (;;) {
		unsigned int seen = READ_ONCE(daemon->news);
		ssize_t len = take_message(daemon, buffer, min_t(size_t, size, MESSAGE_MAX));

		if (len != -EAGAIN || file->f_flags & O_NONBLOCK)
			return len;
		len = wait_event_interruptible(daemon->wait, READ_ONCE(daemon->news) != seen);
		if (len)
			return len;
	}
}

static ssize_t daemon_write(struct file *file, const char __user *buffer, size_t size,
			    loff_t *offset)
{
	struct hvg_linux_daemon *daemon = file->private_data;
	int len = -EFAULT;

	if (!size || size > MESSAGE_MAX)
		return -EINVAL;
	if (mutex_lock_interruptible(&daemon->io))
		return -ERESTARTSYS;
	if (!copy_from_user(daemon->buffer, buffer, size)) {
		mutex_lock(&daemon->lock);
		len = daemon->device ? hvg_daemon_write(daemon->device, daemon->buffer, size) :
				       -EBADF;
		mutex_unlock(&daemon->lock);
	}
	mutex_unlock(&daemon->io);
	return len;
}

static __poll_t daemon_poll(struct file *file, poll_table *table)
{
	struct hvg_linux_daemon *daemon = file->private_data;
	__poll_t events = EPOLLERR | EPOLLHUP;

	poll_wait(file, &daemon->wait, table);
	mutex_lock(&daemon->lock);
	if (daemon->device)
		events = hvg_daemon_readable(daemon->device) ? EPOLLIN | EPOLLRDNORM : 0;
	mutex_unlock(&daemon->lock);
	return events;
}

static const struct file_operations daemon_files = {
	.owner = THIS_MODULE,
	.open = daemon_open,
	.release = daemon_release,
	.read = daemon_read,
	.write = daemon_write,
	.poll = daemon_poll,
};

/* --- life ----------------------------------------------------------------------------------------------- */

int hvg_linux_daemon_start(struct hvg_device *device, const char *node)
{
	struct hvg_linux_daemon *daemon = kzalloc(sizeof(*daemon), GFP_KERNEL);
	int err;

	if (!daemon)
		return -ENOMEM;
	kref_init(&daemon->refs);
	mutex_init(&daemon->io);
	mutex_init(&daemon->lock);
	init_waitqueue_head(&daemon->wait);
	daemon->device = device;
	daemon->misc.minor = MISC_DYNAMIC_MINOR;
	daemon->misc.fops = &daemon_files;
	daemon->misc.name = kasprintf(GFP_KERNEL, "vmbus/%s", node);
	daemon->buffer = kmalloc(MESSAGE_MAX, GFP_KERNEL);
	err = daemon->misc.name && daemon->buffer ? misc_register(&daemon->misc) : -ENOMEM;
	if (err) {
		kref_put(&daemon->refs, free_daemon);
		return err;
	}
	device->daemon = daemon;
	return 0;
}

void hvg_linux_daemon_stop(struct hvg_device *device)
{
	struct hvg_linux_daemon *daemon = device->daemon;

	if (!daemon)
		return;
	device->daemon = NULL;
	/* Nobody opens it from here on. */
	misc_deregister(&daemon->misc);
	mutex_lock(&daemon->lock);
	if (daemon->open)
		hvg_daemon_close(device);
	daemon->device = NULL;
	mutex_unlock(&daemon->lock);
	wake(daemon);
	kref_put(&daemon->refs, free_daemon);
}
