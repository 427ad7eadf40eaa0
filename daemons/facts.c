/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemons/facts.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include "daemons/interfaces.h"

static const char *const keys[HVD_FACTS] = {
	"FullyQualifiedDomainName",
	"IntegrationServicesVersion",
	"NetworkAddressIPv4",
	"NetworkAddressIPv6",
	"OSBuildNumber",
	"OSName",
	"OSMajorVersion",
	"OSMinorVersion",
	"OSVersion",
	"ProcessorArchitecture",
};

/* The value of a line NAME=value or NAME="value" of os-release(5). */
static void from_os_release(const char *root, const char *name, char *value, size_t size)
{
	static const char *const places[] = { "/etc/os-release", "/usr/lib/os-release" };
	char path[512], line[1024];
	size_t len = strlen(name);
	FILE *in = NULL;

	for (size_t i = 0; i < 2 && !in; i++) {
		snprintf(path, sizeof(path), "%s%s", root, places[i]);
		in = fopen(path, "re");
	}
	while (in && fgets(line, sizeof(line), in)) {
		char *at = line + len + 1, *to = value;
		char quote = '\0';

		if (strncmp(line, name, len) || line[len] != '=')
			continue;
		if (*at == '"' || *at == '\'')
			quote = *at++;
		for (; *at && *at != '\n' && *at != quote && to < value + size - 1; at++) {
			if (*at == '\\' && quote == '"' && at[1])
				at++;
			*to++ = *at;
		}
		*to = '\0';
	}
	if (in)
		fclose(in);
}

/*
 * The host's own name with its domain as /etc/hosts has it. No server is asked: it may not answer, and the host waits.
 */
static void full_name(const char *root, const char *own, char *value, size_t size)
{
	char path[512], line[1024];
	bool done = strchr(own, '.') != NULL;
	FILE *in;

	snprintf(value, size, "%s", own);
	snprintf(path, sizeof(path), "%s/etc/hosts", root);
	in = done ? NULL : fopen(path, "re");
	while (in && !done && fgets(line, sizeof(line), in)) {
		char *save = NULL, *word, *full = NULL;
		bool ours = false;

		line[strcspn(line, "#")] = '\0';
		strtok_r(line, " \t\n", &save);
		while ((word = strtok_r(NULL, " \t\n", &save))) {
			ours = ours || !strcmp(word, own);
			if (!full && strchr(word, '.') && !strncmp(word, own, strlen(own)))
				full = word;
		}
		done = ours && full;
		if (done)
			snprintf(value, size, "%s", full);
	}
	if (in)
		fclose(in);
}

static void addresses(int family, char *value, size_t size)
{
	static struct hvd_interfaces all;
	size_t len = 0;

	if (hvd_interfaces_read(&all))
		return;
	for (size_t i = 0; i < all.addresses; i++) {
		const struct hvd_address *address = &all.address[i];
		bool loopback = false;

		for (size_t k = 0; k < all.interfaces; k++)
			loopback = loopback || (all.interface[k].index == address->index &&
						all.interface[k].loopback);
		/* One that does not fit whole is left out. */
		if (address->family == family && !loopback &&
		    len + strlen(address->text) + 2 <= size)
			len += (size_t)snprintf(value + len, size - len, "%s%s", len ? ";" : "",
						address->text);
	}
}

int hvd_fact(uint32_t index, const char *services, const char *root, const char **key, char *value,
	     size_t size)
{
	struct utsname system = { .release = "" };

	if (index >= HVD_FACTS)
		return 0;
	*key = keys[index];
	*value = '\0';
	uname(&system);
	switch (index) {
	case 0:
		full_name(root, system.nodename, value, size);
		break;
	case 1:
		snprintf(value, size, "%s", services);
		break;
	case 2:
	case 3:
		addresses(index == 2 ? AF_INET : AF_INET6, value, size);
		break;
	case 4:
		snprintf(value, size, "%s", system.release);
		break;
	case 5:
		from_os_release(root, "NAME", value, size);
		if (!*value)
			snprintf(value, size, "%s", system.sysname);
		break;
	case 6:
		from_os_release(root, "VERSION_ID", value, size);
		break;
	case 8:
		snprintf(value, size, "%.*s", (int)strcspn(system.release, "-"), system.release);
		break;
	case 9:
		snprintf(value, size, "%s", system.machine);
		break;
	}
	return 1;
}
