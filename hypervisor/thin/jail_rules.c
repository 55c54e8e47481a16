/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which system calls each role needs, and no more. None of them names a path, makes a process or a descriptor of a
 * file, reaches another process, or makes memory executable.
 */
#include <asm/unistd.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "hypervisor/thin/jail_internal.h"

#define ALWAYS(name)                                          \
	{                                                     \
		.call = __NR_##name, .condition = JAIL_ALWAYS \
	}
#define ONE_OF(name, place, list)                                                                     \
	{                                                                                             \
		.call = __NR_##name, .condition = JAIL_ONE_OF, .argument = (place), .values = (list), \
		.n = ARRAY_LENGTH(list)                                                               \
	}
#define WITHOUT(name, place, bits)                                                                            \
	{                                                                                                     \
		.call = __NR_##name, .condition = JAIL_WITHOUT, .argument = (place), .values = (bits), .n = 1 \
	}
/* Without an address: to and from whom the socket is connected with. */
#define SEND_AND_RECEIVE ONE_OF(sendto, 5, nothing), ONE_OF(recvfrom, 4, nothing)
#define RULES(list) ((struct jail_rules){.rules = (list), .n = ARRAY_LENGTH(list)})

static const uint32_t nothing[] = {0};

/* ---- all ---- */

static const uint32_t executable[] = {PROT_EXEC};
static const uint32_t own_name[] = {PR_GET_NAME};

/* Memory and locks of the C library, descriptors that are there, the clock, signals to itself, and the end. */
static const struct jail_rule all[] = {
	ALWAYS(read),
	ALWAYS(write),
	ALWAYS(readv),
	ALWAYS(writev),
	ALWAYS(close),
	ALWAYS(futex),
	ALWAYS(brk),
	WITHOUT(mmap, 2, executable),
	WITHOUT(mprotect, 2, executable),
	ALWAYS(munmap),
	ALWAYS(mremap),
	ALWAYS(madvise),
	ALWAYS(clock_gettime),
	ALWAYS(clock_nanosleep),
	ALWAYS(sched_yield),
	ALWAYS(getpid),
	ALWAYS(gettid),
	ONE_OF(prctl, 0, own_name),
	ALWAYS(rt_sigprocmask),
	ALWAYS(rt_sigreturn),
	ALWAYS(restart_syscall),
	ALWAYS(epoll_wait),
	ALWAYS(epoll_pwait),
	ALWAYS(epoll_ctl),
	ALWAYS(exit),
	ALWAYS(exit_group),
};

/* ---- processors ---- */

static const uint32_t vcpu_ioctls[] = {
	(uint32_t)KVM_RUN,
	(uint32_t)KVM_IRQ_LINE,
	(uint32_t)KVM_SIGNAL_MSI,
	(uint32_t)KVM_IOEVENTFD,
	(uint32_t)KVM_KVMCLOCK_CTRL,
	/* To describe what it could not run. */
	(uint32_t)KVM_GET_REGS,
	(uint32_t)KVM_GET_SREGS,
	(uint32_t)KVM_GET_MP_STATE,
	(uint32_t)KVM_TRANSLATE,
};

static const struct jail_rule vcpu[] = {
	ONE_OF(ioctl, 1, vcpu_ioctls),
	ALWAYS(timerfd_settime),
};

/* ---- disks ---- */

static const uint32_t disk_ioctls[] = {
	(uint32_t)KVM_SIGNAL_MSI,
	(uint32_t)KVM_IRQ_LINE,
	(uint32_t)BLKDISCARD,
};

static const struct jail_rule disk[] = {
	ONE_OF(ioctl, 1, disk_ioctls),
	ALWAYS(preadv),
	ALWAYS(pwritev),
	ALWAYS(pread64),
	ALWAYS(pwrite64),
	ALWAYS(fdatasync),
	ALWAYS(sync_file_range),
	ALWAYS(fallocate),
};

static const uint32_t unix_sockets[] = {AF_UNIX};
static const uint32_t socket_levels[] = {SOL_SOCKET};

static const struct jail_rule connecting[] = {
	ONE_OF(socket, 0, unix_sockets),
	ALWAYS(connect),
	ONE_OF(setsockopt, 1, socket_levels),
	SEND_AND_RECEIVE,
};

/* ---- networks ---- */

static const uint32_t network_ioctls[] = {
	(uint32_t)TUNSETOFFLOAD,
	(uint32_t)KVM_SIGNAL_MSI,
	(uint32_t)KVM_IRQ_LINE,
};

static const struct jail_rule network[] = {
	ONE_OF(ioctl, 1, network_ioctls),
	SEND_AND_RECEIVE,
	ALWAYS(sendmsg),
};

/* ---- serial line, console, random numbers, clock ---- */

static const uint32_t slow_ioctls[] = {
	(uint32_t)KVM_SIGNAL_MSI,
	(uint32_t)KVM_IRQ_LINE,
};

static const struct jail_rule slow[] = {
	ONE_OF(ioctl, 1, slow_ioctls),
	ALWAYS(getrandom),
	ALWAYS(timerfd_settime),
	ALWAYS(pread64), /* the log of the serial line */
	ALWAYS(pwrite64),
	ALWAYS(ftruncate),
};

/* ---- the main thread ---- */

static const uint32_t main_ioctls[] = {
	(uint32_t)KVM_SIGNAL_MSI,
	(uint32_t)KVM_IRQ_LINE,
	(uint32_t)KVM_IOEVENTFD,
	/* A vCPU's state, and the chips'. */
	(uint32_t)KVM_TRANSLATE,
	(uint32_t)KVM_GET_MP_STATE,
	(uint32_t)KVM_SET_MP_STATE,
	(uint32_t)KVM_GET_REGS,
	(uint32_t)KVM_SET_REGS,
	(uint32_t)KVM_GET_SREGS,
	(uint32_t)KVM_SET_SREGS,
	(uint32_t)KVM_GET_XSAVE,
	(uint32_t)KVM_SET_XSAVE,
	(uint32_t)KVM_GET_XCRS,
	(uint32_t)KVM_SET_XCRS,
	(uint32_t)KVM_GET_DEBUGREGS,
	(uint32_t)KVM_SET_DEBUGREGS,
	(uint32_t)KVM_GET_LAPIC,
	(uint32_t)KVM_SET_LAPIC,
	(uint32_t)KVM_GET_MSRS,
	(uint32_t)KVM_SET_MSRS,
	(uint32_t)KVM_GET_VCPU_EVENTS,
	(uint32_t)KVM_SET_VCPU_EVENTS,
	(uint32_t)KVM_GET_IRQCHIP,
	(uint32_t)KVM_SET_IRQCHIP,
	(uint32_t)KVM_GET_PIT2,
	(uint32_t)KVM_SET_PIT2,
};

static const struct jail_rule main_thread[] = {
	ONE_OF(ioctl, 1, main_ioctls),
	ALWAYS(pread64),  /* the kernel that is started anew; and with the next two, */
	ALWAYS(pwrite64), /* the log of the serial line, when the guest's last words come behind its last thread */
	ALWAYS(ftruncate),
	ALWAYS(fdatasync),
	ALWAYS(sync_file_range), /* disks, at the end; pwrite64 is for their maps, too */
	ALWAYS(accept4),
	SEND_AND_RECEIVE,
	ALWAYS(getrandom),
	ALWAYS(timerfd_settime),
};

struct jail_rules jail_rules_of_role(enum jail_role role)
{
	switch (role) {
	case JAIL_VCPU:
		return RULES(vcpu);
	case JAIL_DISK:
		return RULES(disk);
	case JAIL_NETWORK:
		return RULES(network);
	case JAIL_SLOW:
		return RULES(slow);
	case JAIL_MAIN:
		break;
	}
	return RULES(main_thread);
}

struct jail_rules jail_rules_of_all(void)
{
	return RULES(all);
}

struct jail_rules jail_rules_of_connecting(void)
{
	return RULES(connecting);
}
