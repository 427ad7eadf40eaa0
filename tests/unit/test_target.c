/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Files that the host writes: where they may lie, and that they are whole or not there.
 */
#include "daemons/target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tap.h"

static char root[] = "/tmp/hvis-target-XXXXXX";
static char allowed[64];
static struct hvd_policy policy;
static struct hvd_target target;

static const char *in(const char *path)
{
	static char buffer[4][512];
	static unsigned next;

	next = (next + 1) % 4;
	snprintf(buffer[next], sizeof(buffer[next]), "%s%s", root, path);
	return buffer[next];
}

/* False: this system cannot open files as safely; qemu-user is one. */
static bool make(void)
{
	static bool made;
	char command[256];

	if (!made && !mkdtemp(root))
		abort();
	made = true;
	snprintf(command, sizeof(command), "rm -rf %s/* && mkdir -p %s/in/deep %s/out", root, root,
		 root);
	if (system(command))
		abort();
	snprintf(allowed, sizeof(allowed), "%s/in", root);
	policy = (struct hvd_policy){ .allowed = { allowed }, .count = 1, .mode = 0744 };
	return syscall(SYS_openat2, -1, NULL, NULL, 0) >= 0 || errno != ENOSYS;
}

static int open_it(const char *path, const char *name, uint64_t bytes, bool overwrite, bool create)
{
	return hvd_target_open(&target, &policy, path, name, bytes, overwrite, create);
}

/* What a folder holds. */
static unsigned entries(const char *path)
{
	DIR *folder = opendir(path);
	unsigned count = 0;

	while (folder && readdir(folder))
		count++;
	if (folder)
		closedir(folder);
	return count - 2;
}

static const char *content(const char *path)
{
	static char text[64];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return n < 0 ? "(none)" : text;
}

static mode_t mode_of(const char *path)
{
	struct stat status = { 0 };

	return stat(path, &status) ? 0 : status.st_mode & 07777;
}

TAP_TEST(a_file)
{
	if (!make())
		TAP_SKIP("no openat2 here");
	TAP_EQ(open_it(in("/in/deep/"), "name", 6, false, false), 0);
	TAP_EQ(hvd_target_write(&target, 3, "def", 3), 0);
	TAP_EQ(hvd_target_write(&target, 0, "abc", 3), 0);
	TAP_EQ(hvd_target_write(&target, 6, "g", 1), -EFBIG);
	TAP_EQ(hvd_target_write(&target, UINT64_MAX, "g", 1), -EFBIG);
	/* Nobody sees it before it is whole. */
	TAP_EQ(entries(in("/in/deep")), 0);
	TAP_EQ(hvd_target_complete(&target), 0);
	TAP_STR_EQ(content(in("/in/deep/name")), "abcdef");
	TAP_EQ(mode_of(in("/in/deep/name")), 0744);
	TAP_EQ(entries(in("/in/deep")), 1);
	/* An empty one, in the allowed folder itself. */
	TAP_EQ(open_it(in("/in"), "empty", 0, false, false), 0);
	TAP_EQ(hvd_target_complete(&target), 0);
	TAP_STR_EQ(content(in("/in/empty")), "");
}

TAP_TEST(one_that_is_there)
{
	FILE *file;

	if (!make())
		TAP_SKIP("no openat2 here");
	file = fopen(in("/in/there"), "w");
	fputs("mine", file);
	fclose(file);
	chmod(in("/in/there"), 0640);
	TAP_EQ(open_it(in("/in/"), "there", 1, false, false), -EEXIST);
	TAP_STR_EQ(content(in("/in/there")), "mine");
	/* It stays until the other is whole; its mode stays. */
	TAP_EQ(open_it(in("/in/"), "there", 5, true, false), 0);
	TAP_EQ(hvd_target_write(&target, 0, "your", 4), 0);
	TAP_STR_EQ(content(in("/in/there")), "mine");
	TAP_EQ(hvd_target_complete(&target), -EBADMSG);
	TAP_STR_EQ(content(in("/in/there")), "mine");
	TAP_EQ(open_it(in("/in/"), "there", 5, true, false), 0);
	TAP_EQ(hvd_target_write(&target, 0, "yours", 5), 0);
	TAP_EQ(hvd_target_complete(&target), 0);
	TAP_STR_EQ(content(in("/in/there")), "yours");
	TAP_EQ(mode_of(in("/in/there")), 0640);
	TAP_EQ(entries(in("/in")), 2);
	/* One that comes while the other is written. */
	TAP_EQ(open_it(in("/in/"), "race", 1, false, false), 0);
	TAP_EQ(hvd_target_write(&target, 0, "x", 1), 0);
	file = fopen(in("/in/race"), "w");
	fclose(file);
	TAP_EQ(hvd_target_complete(&target), -EEXIST);
	TAP_STR_EQ(content(in("/in/race")), "");
}

TAP_TEST(cancelled)
{
	if (!make())
		TAP_SKIP("no openat2 here");
	TAP_EQ(open_it(in("/in/"), "name", 6, false, false), 0);
	TAP_EQ(hvd_target_write(&target, 0, "abc", 3), 0);
	hvd_target_cancel(&target);
	hvd_target_cancel(&target);
	TAP_EQ(entries(in("/in")), 1);
}

TAP_TEST(folders)
{
	if (!make())
		TAP_SKIP("no openat2 here");
	TAP_EQ(open_it(in("/in/new/er/"), "name", 0, false, false), -ENOENT);
	TAP_EQ(entries(in("/in")), 1);
	TAP_EQ(open_it(in("/in/new//er/"), "name", 0, false, true), 0);
	TAP_EQ(hvd_target_complete(&target), 0);
	TAP_STR_EQ(content(in("/in/new/er/name")), "");
	TAP_EQ(mode_of(in("/in/new")), 0755);
	/* A file is none. */
	TAP_EQ(open_it(in("/in/new/er/name/"), "x", 0, false, true), -ENOTDIR);
}

TAP_TEST(ways_out)
{
	static const char *const paths[] = { "/out/",	 "/in/../out/", "/in/deep/../../out/",
					     "/inside/", "/in/..",	"/" };
	static const char *const names[] = { "", ".", "..", "a/b", "/" };

	if (!make())
		TAP_SKIP("no openat2 here");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		TAP_EQ(open_it(in(paths[i]), "x", 0, true, true), -EACCES);
		TAP_EQ(target.fd, -1);
	}
	TAP_EQ(open_it("in/", "x", 0, true, true), -EACCES);
	TAP_EQ(open_it("", "x", 0, true, true), -EACCES);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		TAP_EQ(open_it(in("/in/"), names[i], 0, true, true), -EACCES);
	TAP_EQ(entries(in("/out")), 0);
	TAP_EQ(entries(in("")), 2);
}

TAP_TEST(links_are_not_followed)
{
	if (!make())
		TAP_SKIP("no openat2 here");
	if (symlink("../out", in("/in/link")) || symlink("../out/target", in("/in/file")) ||
	    symlink("deep", in("/in/inner")) || mkfifo(in("/in/fifo"), 0600))
		abort();
	TAP_EQ(open_it(in("/in/link/"), "x", 0, true, true), -ELOOP);
	TAP_EQ(open_it(in("/in/link/sub/"), "x", 0, true, true), -ELOOP);
	TAP_EQ(open_it(in("/in/inner/"), "x", 0, true, false), -ELOOP);
	TAP_EQ(open_it(in("/in/"), "file", 0, true, false), -EACCES);
	TAP_EQ(open_it(in("/in/"), "file", 0, false, false), -EEXIST);
	TAP_EQ(open_it(in("/in/"), "fifo", 0, true, false), -EACCES);
	TAP_EQ(open_it(in("/in/"), "deep", 0, true, false), -EACCES);
	TAP_EQ(entries(in("/out")), 0);
	/* Unless the administrator has named it. */
	snprintf(allowed, sizeof(allowed), "%s/in/link", root);
	TAP_EQ(open_it(in("/in/link/"), "x", 0, true, true), 0);
	TAP_EQ(hvd_target_complete(&target), 0);
	TAP_EQ(entries(in("/out")), 1);
}

TAP_TEST(everywhere)
{
	if (!make())
		TAP_SKIP("no openat2 here");
	policy.allowed[0] = "/";
	TAP_EQ(open_it(in("/out/"), "x", 1, false, false), 0);
	TAP_EQ(hvd_target_write(&target, 0, "x", 1), 0);
	TAP_EQ(hvd_target_complete(&target), 0);
	TAP_STR_EQ(content(in("/out/x")), "x");
	TAP_EQ(open_it("/proc/self/", "x", 0, false, false), -ELOOP);
}

TAP_MAIN()
