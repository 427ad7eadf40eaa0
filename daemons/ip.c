/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemons/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemons/interfaces.h"
#include "daemons/service.h"
#include "hvp_ic.h"
#include "hvp_kvp.h"

/* The driver waits 30 s. */
#define HOOK_TIMEOUT_S 25
#define STEP_NS	       20000000

#define LIST_MAX   64
#define PATH_BYTES 512

/* --- which interface --------------------------------------------------------------------------------- */

/* The GUID of an interface's device, as text with braces; "": it has none. */
static void read_guid(const struct hvd_ip_config *config, const char *name, char guid[64])
{
	char path[PATH_BYTES];
	FILE *in;

	guid[0] = '\0';
	snprintf(path, sizeof(path), "%s/sys/class/net/%s/device/device_id", config->root, name);
	in = fopen(path, "re");
	if (!in)
		return;
	if (!fgets(guid, 64, in))
		guid[0] = '\0';
	guid[strcspn(guid, "\n")] = '\0';
	fclose(in);
}

static void format_mac(const unsigned char mac[6], char text[18])
{
	snprintf(text, 18, "%02X:%02X:%02X:%02X:%02X:%02X", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
}

/* A virtual function has the same address as the adapter that it belongs to; that one has a GUID. */
static const struct hvd_interface *find_by_mac(const struct hvd_ip_config *config,
					       const struct hvd_interfaces *all, const char *wanted)
{
	const struct hvd_interface *found = NULL;

	for (size_t i = 0; i < all->interfaces; i++) {
		const struct hvd_interface *interface = &all->interface[i];
		char mac[18], guid[64];

		if (!interface->has_mac)
			continue;
		format_mac(interface->mac, mac);
		if (strcasecmp(mac, wanted))
			continue;
		read_guid(config, interface->name, guid);
		if (guid[0])
			return interface;
		found = found ? found : interface;
	}
	return found;
}

static const struct hvd_interface *find_by_guid(const struct hvd_ip_config *config,
						const struct hvd_interfaces *all,
						const char *wanted)
{
	for (size_t i = 0; i < all->interfaces; i++) {
		char guid[64];

		read_guid(config, all->interface[i].name, guid);
		if (guid[0] && !strcasecmp(guid, wanted))
			return &all->interface[i];
	}
	return NULL;
}

/* --- told to the host -------------------------------------------------------------------------------- */

/* One more in a list, if it fits whole. */
static void add(char *list, size_t size, const char *text, const char *end)
{
	size_t len = strlen(list);

	if (len + strlen(text) + 2 <= size)
		snprintf(list + len, size - len, "%s%s%s", len && !*end ? ";" : "", text, end);
}

static void add_mask(char *list, size_t size, const struct hvd_address *address)
{
	struct in_addr bits = { htonl(address->prefix ? 0xffffffffu << (32 - address->prefix) : 0) };
	char text[INET_ADDRSTRLEN];

	if (address->family == AF_INET)
		inet_ntop(AF_INET, &bits, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "/%u", address->prefix);
	add(list, size, text, "");
}

static void add_servers(const struct hvd_ip_config *config, char *list, size_t size)
{
	/* The first may name a server on this machine, behind which the second has the real ones. */
	static const char *const places[] = { "/run/systemd/resolve/resolv.conf",
					      "/etc/resolv.conf" };
	char path[PATH_BYTES], line[256], server[64];
	FILE *in = NULL;

	for (size_t i = 0; i < 2 && !in; i++) {
		snprintf(path, sizeof(path), "%s%s", config->root, places[i]);
		in = fopen(path, "re");
	}
	while (in && fgets(line, sizeof(line), in))
		if (sscanf(line, "nameserver %63s", server) == 1)
			add(list, size, server, ";");
	if (in)
		fclose(in);
}

uint32_t hvd_ip_get(const struct hvd_ip_config *config, struct hvp_daemon_ip *ip)
{
	static struct hvd_interfaces all;
	const struct hvd_interface *interface;
	char adapter[sizeof(ip->adapter)];

	memcpy(adapter, ip->adapter, sizeof(adapter));
	adapter[sizeof(adapter) - 1] = '\0';
	if (hvd_interfaces_read(&all))
		return HVP_IC_FAIL;
	interface = find_by_mac(config, &all, adapter);
	if (!interface)
		return HVP_IC_FAIL;
	memset(ip, 0, sizeof(*ip));
	memcpy(ip->adapter, adapter, sizeof(adapter));
	for (size_t i = 0; i < all.addresses; i++) {
		const struct hvd_address *address = &all.address[i];

		if (address->index != interface->index)
			continue;
		add(ip->addresses, sizeof(ip->addresses), address->text, "");
		add_mask(ip->masks, sizeof(ip->masks), address);
		ip->family |= address->family == AF_INET ? HVP_KVP_IPV4 : HVP_KVP_IPV6;
		ip->dhcp |= address->family == AF_INET && address->leased;
	}
	for (size_t i = 0; i < all.routes; i++)
		if (all.route[i].index == interface->index)
			add(ip->gateways, sizeof(ip->gateways), all.route[i].gateway, ";");
	add_servers(config, ip->dns, sizeof(ip->dns));
	return HVP_IC_SUCCESS;
}

/* --- taken from the host ----------------------------------------------------------------------------- */

struct address {
	int family;
	unsigned char bytes[16];
	unsigned prefix;
	char text[INET6_ADDRSTRLEN];
};

struct list {
	struct address address[LIST_MAX];
	size_t count;
};

struct settings {
	bool dhcp;
	struct list addresses, gateways, dns;
};

/* The text between this separator and the next, without blanks; false: there is no more. */
static bool next_text(const char **at, const char *end, char *text, size_t size)
{
	size_t len = 0;

	while (*at < end && **at && **at != ';') {
		if (**at != ' ') {
			if (len + 1 == size)
				return false;
			text[len++] = **at;
		}
		(*at)++;
	}
	text[len] = '\0';
	if (*at < end && **at == ';')
		(*at)++;
	return len != 0;
}

static bool parse_address(const char *text, struct address *address)
{
	address->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	return inet_pton(address->family, text, address->bytes) == 1 &&
	       inet_ntop(address->family, address->bytes, address->text, sizeof(address->text));
}

/* False: something in it is no address, or there are too many. */
static bool parse_list(const char *field, size_t size, struct list *list)
{
	const char *at = field, *end = field + size;
	char text[INET6_ADDRSTRLEN];

	list->count = 0;
	while (at < end && *at) {
		if (!next_text(&at, end, text, sizeof(text))) {
			if (text[0])
				return false;
			continue;
		}
		if (list->count == LIST_MAX || !parse_address(text, &list->address[list->count]))
			return false;
		list->count++;
	}
	return true;
}

/* A mask in dots, or a length. */
static bool parse_mask(const char *text, struct address *address)
{
	unsigned max = address->family == AF_INET ? 32 : 128;
	const char *digits = text + (*text == '/');
	struct in_addr mask;
	uint32_t bits;
	char *rest;

	if (address->family == AF_INET && inet_pton(AF_INET, text, &mask) == 1) {
		bits = ntohl(mask.s_addr);
		address->prefix = bits ? 32 - (unsigned)__builtin_ctz(bits) : 0;
		/* Ones, then zeroes. */
		return !(~bits & (~bits + 1));
	}
	address->prefix = (unsigned)strtoul(digits, &rest, 10);
	return *digits >= '0' && *digits <= '9' && !*rest && address->prefix <= max;
}

static bool parse_masks(const char *field, size_t size, struct list *addresses)
{
	const char *at = field, *end = field + size;

	for (size_t i = 0; i < addresses->count; i++) {
		char text[INET6_ADDRSTRLEN];

		if (!next_text(&at, end, text, sizeof(text)) ||
		    !parse_mask(text, &addresses->address[i]))
			return false;
	}
	return true;
}

static bool parse(const struct hvp_daemon_ip *ip, struct settings *settings)
{
	settings->dhcp = ip->dhcp;
	return parse_list(ip->addresses, sizeof(ip->addresses), &settings->addresses) &&
	       parse_masks(ip->masks, sizeof(ip->masks), &settings->addresses) &&
	       parse_list(ip->gateways, sizeof(ip->gateways), &settings->gateways) &&
	       parse_list(ip->dns, sizeof(ip->dns), &settings->dns);
}

/* --- the files for the hook -------------------------------------------------------------------------- */

static void put_mask(FILE *out, unsigned prefix)
{
	struct in_addr bits = { htonl(prefix ? 0xffffffffu << (32 - prefix) : 0) };

	fprintf(out, "%s\n", inet_ntoa(bits));
}

/* As scripts have always got them: eight groups of four digits. */
static void put_long(FILE *out, const unsigned char bytes[16])
{
	for (int i = 0; i < 16; i += 2)
		fprintf(out, "%s%02x%02x", i ? ":" : "", bytes[i], bytes[i + 1]);
	putc('\n', out);
}

static void put_key(FILE *out, const char *name, const char *separator, unsigned number)
{
	if (number)
		fprintf(out, "%s%s%u=", name, separator, number);
	else
		fprintf(out, "%s=", name);
}

static void put_ifcfg(FILE *out, const struct hvd_interface *interface, const struct settings *s)
{
	unsigned four = 0, six = 0;
	char mac[18];

	format_mac(interface->mac, mac);
	fprintf(out, "HWADDR=%s\nDEVICE=%s\nBOOTPROTO=%s\n", mac, interface->name,
		s->dhcp ? "dhcp" : "none");
	for (size_t i = 0; i < s->addresses.count; i++) {
		const struct address *address = &s->addresses.address[i];

		if (address->family == AF_INET) {
			fprintf(out, "IPADDR%u=%s\nNETMASK%u=", four, address->text, four);
			put_mask(out, address->prefix);
			four++;
		} else {
			put_key(out, "IPV6ADDR", "_", six);
			put_long(out, address->bytes);
			put_key(out, "IPV6NETMASK", "_", six++);
			fprintf(out, "%u\n", address->prefix);
		}
	}
	four = six = 0;
	for (size_t i = 0; i < s->gateways.count; i++) {
		const struct address *address = &s->gateways.address[i];

		if (address->family == AF_INET) {
			put_key(out, "GATEWAY", "", four++);
			fprintf(out, "%s\n", address->text);
		} else {
			put_key(out, "IPV6_DEFAULTGW", "_", six++);
			put_long(out, address->bytes);
		}
	}
	for (size_t i = 0; i < s->dns.count; i++)
		fprintf(out, "DNS%zu=%s\n", i + 1, s->dns.address[i].text);
}

static void put_family(FILE *out, const struct settings *s, int family)
{
	unsigned count = 0;

	fprintf(out, "\n[%s]\n", family == AF_INET ? "ipv4" : "ipv6");
	for (size_t i = 0; i < s->addresses.count; i++)
		if (s->addresses.address[i].family == family)
			fprintf(out, "address%u=%s/%u\n", ++count, s->addresses.address[i].text,
				s->addresses.address[i].prefix);
	/* DHCP is told of IPv4 only; IPv6 without addresses is left to the network. */
	fprintf(out, "method=%s\n",
		family == AF_INET ? s->dhcp ? "auto" :
				    count   ? "manual" :
					      "disabled" :
		count		  ? "manual" :
				    "auto");
	for (size_t i = 0, first = 1; i < s->gateways.count; i++)
		if (s->gateways.address[i].family == family && first--)
			fprintf(out, "gateway=%s\n", s->gateways.address[i].text);
	count = 0;
	for (size_t i = 0; i < s->dns.count; i++)
		if (s->dns.address[i].family == family)
			fprintf(out, "%s%s;", count++ ? "" : "dns=", s->dns.address[i].text);
	if (count)
		putc('\n', out);
}

static void put_nm(FILE *out, const struct hvd_interface *interface, const struct settings *s)
{
	char mac[18];

	format_mac(interface->mac, mac);
	fprintf(out,
		"[connection]\nid=%s\ntype=ethernet\ninterface-name=%s\n\n[ethernet]\nmac-address=%s\n",
		interface->name, interface->name, mac);
	put_family(out, s, AF_INET);
	put_family(out, s, AF_INET6);
}

/* Whole or not at all. */
static int write_file(const char *path, mode_t mode, const struct hvd_interface *interface,
		      const struct settings *s,
		      void (*put)(FILE *out, const struct hvd_interface *interface,
				  const struct settings *s))
{
	char fresh[PATH_BYTES + 8];
	FILE *out;
	int fd, err = 0;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out)
		return -errno;
	put(out, interface, s);
	if (fflush(out) || ferror(out))
		err = -EIO;
	fclose(out);
	if (!err && rename(fresh, path))
		err = -errno;
	if (err)
		unlink(fresh);
	return err;
}

/* --- the hook ---------------------------------------------------------------------------------------- */

/* Its exit status, or -errno. */
static int run_hook(const char *hook, char *const arguments[])
{
	static char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	const struct timespec step = { .tv_nsec = STEP_NS };
	posix_spawnattr_t attributes;
	sigset_t none;
	pid_t child;
	int err, status = 0;

	posix_spawnattr_init(&attributes);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	err = posix_spawn(&child, hook, NULL, &attributes, arguments, environment);
	posix_spawnattr_destroy(&attributes);
	if (err)
		return -err;
	for (unsigned i = 0; i < HOOK_TIMEOUT_S * (1000000000u / STEP_NS); i++) {
		if (waitpid(child, &status, WNOHANG) == child)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
		nanosleep(&step, NULL);
	}
	/* With all that it has started. */
	kill(-child, SIGKILL);
	waitpid(child, NULL, 0);
	return -ETIMEDOUT;
}

uint32_t hvd_ip_set(const struct hvd_ip_config *config, const struct hvp_daemon_ip *ip)
{
	static struct hvd_interfaces all;
	static struct settings settings;
	char ifcfg[PATH_BYTES], nm[PATH_BYTES], adapter[sizeof(ip->adapter)];
	char *arguments[] = { (char *)config->hook, ifcfg, nm, NULL };
	const struct hvd_interface *interface;
	int err;

	memcpy(adapter, ip->adapter, sizeof(adapter));
	adapter[sizeof(adapter) - 1] = '\0';
	if (hvd_interfaces_read(&all))
		return HVP_IC_FAIL;
	interface = find_by_guid(config, &all, adapter);
	if (!interface)
		return HVP_IC_NOT_FOUND;
	if (!parse(ip, &settings))
		return HVP_IC_INVALID;
	snprintf(ifcfg, sizeof(ifcfg), "%s/ifcfg-%s", config->folder, interface->name);
	snprintf(nm, sizeof(nm), "%s/%s.nmconnection", config->folder, interface->name);
	err = write_file(ifcfg, 0644, interface, &settings, put_ifcfg);
	if (!err)
		err = write_file(nm, 0600, interface, &settings, put_nm);
	if (!err)
		err = run_hook(config->hook, arguments);
	if (err)
		hvd_log(LOG_ERR, "the settings of %s were not applied: %s: %s", interface->name,
			config->hook, err > 0 ? "failed" : strerror(-err));
	return err ? HVP_IC_FAIL : HVP_IC_SUCCESS;
}
