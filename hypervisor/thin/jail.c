/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	outside ──► enter: descriptors, namespaces, root, user ──► entered ──► thread: a filter for each
 *	   └─ off, and stays so
 *
 * A jail is of the whole process, and so is what is kept here: written by jail_enter() before the first thread,
 * and read from then on.
 */
#include "hypervisor/thin/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "hypervisor/thin/jail_internal.h"

enum {
	MORE_DESCRIPTORS = 128, /* that may be opened in jail: of threads, and connections */
	DENIED_STATUS = 128 + SIGSYS,
};

static bool entered, connects;

/* ---- what was denied ---- */

/* Runs where any call may be denied: nothing here makes one that is not allowed to all. */
static void on_denied(int signal_number, siginfo_t *info, void *place)
{
	const ucontext_t *at = place;
	char name[16] = "", line[256];
	(void)signal_number;
	prctl(PR_GET_NAME, name);
	int len = snprintf(
		line, sizeof(line),
		"salvor: error: the jail ends this machine: its thread '%s' made system call %d (arguments 0x%llx, "
		"0x%llx, 0x%llx), which is not among those of its role\n",
		name, info->si_syscall, (unsigned long long)at->uc_mcontext.gregs[REG_RDI],
		(unsigned long long)at->uc_mcontext.gregs[REG_RSI], (unsigned long long)at->uc_mcontext.gregs[REG_RDX]);
	ssize_t written = write(STDERR_FILENO, line, (size_t)len);
	(void)written;
	_exit(DENIED_STATUS);
}

static bool tell_of_denied(struct err **errp)
{
	struct sigaction action = {.sa_sigaction = on_denied, .sa_flags = SA_SIGINFO};
	return sigaction(SIGSYS, &action, NULL) == 0 || err_set_errno(errp, errno, "cannot handle SIGSYS");
}

/* ---- descriptors and limits ---- */

static bool close_between(unsigned first, unsigned last, struct err **errp)
{
	if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
		return true;
	return err_set_errno(errp, errno, "cannot close descriptors %u to %u", first, last);
}

static bool close_others(const struct jail_options *options, struct err **errp)
{
	unsigned next = STDERR_FILENO + 1;
	for (size_t i = 0; i < options->n_keep; i++) {
		unsigned keep = (unsigned)options->keep[i];
		if (keep < next)
			continue; /* one of the three, or said twice */
		if (!close_between(next, keep - 1, errp))
			return false;
		next = keep + 1;
	}
	return close_between(next, ~0U, errp);
}

static bool limit(int resource, rlim_t most, const char *what, struct err **errp)
{
	const struct rlimit both = {.rlim_cur = most, .rlim_max = most};
	return setrlimit((__rlimit_resource_t)resource, &both) == 0 ||
	       err_set_errno(errp, errno, "cannot limit %s", what);
}

static bool set_limits(const struct jail_options *options, struct err **errp)
{
	rlim_t highest = options->n_keep > 0 ? (rlim_t)options->keep[options->n_keep - 1] : STDERR_FILENO;
	struct rlimit now;
	if (getrlimit(RLIMIT_NOFILE, &now) != 0)
		return err_set_errno(errp, errno, "cannot look at limits");
	rlim_t descriptors = highest + 1 + MORE_DESCRIPTORS;
	/* None for processes: KVM has the kernel make a thread for it with the first KVM_RUN. */
	return limit(RLIMIT_CORE, 0, "core dumps", errp) && limit(RLIMIT_MSGQUEUE, 0, "message queues", errp) &&
	       limit(RLIMIT_NOFILE, descriptors < now.rlim_max ? descriptors : now.rlim_max, "descriptors", errp);
}

/* ---- namespaces ---- */

static bool write_text(const char *path, const char *text, struct err **errp)
{
	AUTO(file_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return err_set_errno(errp, errno, "cannot write %s", path);
	return true;
}

/* Within it this user is nobody else, and root of nothing outside. */
static bool map_user(uid_t uid, gid_t gid, struct err **errp)
{
	char users[64], groups[64];
	snprintf(users, sizeof(users), "%u %u 1", uid, uid);
	snprintf(groups, sizeof(groups), "%u %u 1", gid, gid);
	return write_text("/proc/self/setgroups", "deny", errp) && write_text("/proc/self/uid_map", users, errp) &&
	       write_text("/proc/self/gid_map", groups, errp);
}

static bool refuse_namespaces(int errnum, bool own_user, struct err **errp)
{
	if (own_user)
		return err_set_errno(errp, errnum, "cannot make namespaces for the jail");
	return err_set(errp, ERR_UNSUPPORTED,
		       "cannot make the jail's user namespace (%s): allow them (sysctl user.max_user_namespaces, and "
		       "on Debian "
		       "kernel.unprivileged_userns_clone), start as root with --uid, or do without a jail by --no-jail",
		       strerror(errnum));
}

/* Groups give rights over files of the host whoever else one is, and a namespace of users does not take them. */
static bool leave_groups(struct err **errp)
{
	if (geteuid() != 0)
		return true;
	log_warning(
		"root starts this machine without --uid: outside of its jail it would be root; --uid N gives it a user "
		"of its own");
	return setgroups(0, NULL) == 0 || err_set_errno(errp, errno, "cannot leave root's groups");
}

/* Root, on its way to another user, needs no namespace of users; all others can make the rest in one alone. */
static bool leave_namespaces(bool own_user, struct err **errp)
{
	int flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	if (!own_user && !leave_groups(errp))
		return false;
	if (unshare(own_user ? flags : flags | CLONE_NEWUSER) != 0)
		return refuse_namespaces(errno, own_user, errp);
	return own_user || map_user(uid, gid, errp);
}

/* ---- root ---- */

/* Where the new root is put together. It is everywhere, and nobody needs what it covers any more. */
#define SITE "/proc"

static bool refuse_root(const char *step, struct err **errp)
{
	return err_set_errno(errp, errno, "cannot make the jail's empty root: %s", step);
}

static bool make_folders(char *path, struct err **errp)
{
	for (char *slash = strchr(path + sizeof(SITE), '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		bool made = mkdir(path, 0755) == 0 || errno == EEXIST;
		*slash = '/';
		if (!made)
			return refuse_root(path, errp);
	}
	return mkdir(path, 0755) == 0 || errno == EEXIST || refuse_root(path, errp);
}

static bool show_folder(const char *folder, struct err **errp)
{
	AUTO(freep) char *path = file_format(SITE "%s", folder);
	if (!path)
		return err_set_no_memory(errp);
	if (!make_folders(path, errp))
		return false;
	const unsigned long harmless = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	if (mount(folder, path, NULL, MS_BIND, NULL) != 0 ||
	    mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | harmless, NULL) != 0)
		return refuse_root(folder, errp);
	return true;
}

/*
 * The root of a machine that runs from memory alone (initramfs) cannot be swapped, only covered. That of a chroot is no
 * mount: it can be neither, but it can be left, and without capabilities nobody comes back.
 */
static bool enter_root(bool in_chroot, struct err **errp)
{
	if (in_chroot)
		return chroot(".") == 0 || refuse_root("chroot", errp);
	if (syscall(SYS_pivot_root, ".", ".") == 0)
		return umount2(".", MNT_DETACH) == 0 || refuse_root("umount", errp);
	if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0)
		return refuse_root("pivot_root", errp);
	return true;
}

/* What is mounted from here on nobody else sees. */
static bool make_private(bool *ret_in_chroot, struct err **errp)
{
	*ret_in_chroot = false;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		return true;
	*ret_in_chroot = errno == EINVAL;
	return (*ret_in_chroot && mount(NULL, SITE, NULL, MS_REC | MS_PRIVATE, NULL) == 0) ||
	       refuse_root("make mounts private", errp);
}

static bool make_root(const struct jail_options *options, struct err **errp)
{
	const unsigned long harmless = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	bool in_chroot;
	if (!make_private(&in_chroot, errp))
		return false;
	if (mount("salvor-vmm", SITE, "tmpfs", harmless, "size=64k,nr_inodes=256,mode=0755") != 0)
		return refuse_root("mount tmpfs", errp);
	for (size_t i = 0; i < options->n_folders; i++)
		if (!show_folder(options->folders[i], errp))
			return false;
	if (chdir(SITE) != 0 || !enter_root(in_chroot, errp))
		return *errp ? false : refuse_root("chdir", errp);
	if (chdir("/") != 0 || mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | harmless, NULL) != 0)
		return refuse_root("make it read-only", errp);
	return true;
}

/* ---- user ---- */

static bool become(uid_t uid, gid_t gid, struct err **errp)
{
	if (setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0)
		return true;
	return err_set_errno(errp, errno, "cannot become user %u, group %u", uid, gid);
}

static bool drop_capabilities(struct err **errp)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 && syscall(SYS_capset, &header, none) == 0 &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
		return true;
	return err_set_errno(errp, errno, "cannot drop capabilities");
}

bool jail_enter(const struct jail_options *options, struct err **errp)
{
	if (options->off) {
		log_warning("--no-jail: nothing holds this machine's process but its user's rights");
		return true;
	}
	bool own_user = options->uid != 0;
	if (own_user && geteuid() != 0)
		return err_set(errp, ERR_USAGE, "only root can become another user (--uid)");
	if (!close_others(options, errp) || !set_limits(options, errp) || !leave_namespaces(own_user, errp) ||
	    !make_root(options, errp) || (own_user && !become(options->uid, options->gid, errp)) ||
	    !drop_capabilities(errp) || !tell_of_denied(errp))
		return false;
	connects = options->n_folders > 0;
	entered = true;
	return true;
}

bool jail_thread(enum jail_role role, struct err **errp)
{
	if (!entered)
		return true;
	const uint32_t process[] = {(uint32_t)getpid()};
	const struct jail_rule signals = {
		.call = SYS_tgkill, .condition = JAIL_ONE_OF, .argument = 0, .values = process, .n = 1};
	const struct jail_rules sets[] = {
		jail_rules_of_role(role),
		jail_rules_of_all(),
		{.rules = &signals, .n = 1},
		jail_rules_of_connecting(),
	};
	bool all_sets = role == JAIL_DISK && connects;
	return jail_filter_install(sets, all_sets ? ARRAY_LENGTH(sets) : ARRAY_LENGTH(sets) - 1, errp);
}
