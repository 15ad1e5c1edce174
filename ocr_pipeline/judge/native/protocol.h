/* What the supervisor, the sandbox and the fork server say to each other, and the filter of a test process.
 *
 * All messages are fixed structs of 64-bit words over SOCK_SEQPACKET sockets of one machine; files travel as
 * SCM_RIGHTS. Python packs them with `struct` ("=2Q" and so on): keep both sides together.
 */
#ifndef OCR_JUDGE_PROTOCOL_H
#define OCR_JUDGE_PROTOCOL_H

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum jail_kind { JAIL_PYTHON = 1, JAIL_BINARY = 2, JAIL_COMMAND = 3 };

/* Supervisor to template. Files: the jail's socket and the program (for JAIL_COMMAND its arguments). Texts end with 0. */
struct jail_request {
    uint64_t kind;
    uint64_t address_space_bytes;
    uint64_t file_bytes;   /* size of the largest file, standard output included */
    uint64_t cpu_s;        /* the kernel's own stop, in whole seconds; the exact limit stands in each test */
    uint64_t scratch_bytes; /* size of /tmp */
    uint64_t processes;
    char input_name[64];  /* file that also holds the standard input; empty: none */
    char output_name[64]; /* file that is copied to the result; empty: none */
    char arguments[512];  /* of a binary, each ending with 0 */
};

/* Supervisor to jail. Files: stdin, stdout, stderr, result; for a checker also the test's input and its answer. */
struct test_request {
    uint64_t cpu_limit_us;
    uint64_t wall_limit_us;
};

enum stop_reason { STOP_NONE = 0, STOP_CPU = 1, STOP_WALL = 2 };

/* Jail to supervisor. `error` is 0, or the errno of what the sandbox itself could not do, in `step`. */
struct reply {
    uint64_t error;
    uint64_t step;
    uint64_t wait_status;
    uint64_t user_us;
    uint64_t system_us;
    uint64_t wall_us;
    uint64_t peak_kib;
    uint64_t stopped;
    uint64_t dirty; /* the test wrote files: the next one needs a fresh jail */
};

enum { LEAST_FILES = 4, TEST_FILES = 6, FORK_SERVER_FD = 198, THREAD_STACK_BYTES = 8 << 20 };

#define CONTROL_SPACE CMSG_SPACE(TEST_FILES * sizeof(int))

/* Receive one message with up to TEST_FILES files; returns its size, 0 at the end, -1 on failure. */
static inline long receive_message(int socket_fd, void *data, size_t size, int *files, int *n_files)
{
    union { char bytes[CONTROL_SPACE]; struct cmsghdr align; } control;
    struct iovec part = { data, size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                              .msg_controllen = sizeof control };
    long received;
    do
        received = syscall(SYS_recvmsg, socket_fd, &message, MSG_CMSG_CLOEXEC);
    while (received < 0 && errno == EINTR);
    *n_files = 0;
    struct cmsghdr *header = received > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header && header->cmsg_type == SCM_RIGHTS) {
        *n_files = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(files, CMSG_DATA(header), *n_files * sizeof(int));
    }
    return received;
}

static inline long send_message(int socket_fd, const void *data, size_t size, const int *files, int n_files)
{
    union { char bytes[CONTROL_SPACE]; struct cmsghdr align; } control;
    struct iovec part = { (void *)data, size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    if (n_files) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(n_files * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(n_files * sizeof(int));
        memcpy(CMSG_DATA(header), files, n_files * sizeof(int));
    }
    return syscall(SYS_sendmsg, socket_fd, &message, MSG_NOSIGNAL);
}

/* Put files on the descriptors from 0 on and close everything else. They are moved out of the way first. */
static inline int install_files(const int *files, int n_files)
{
    int high[TEST_FILES];
    for (int i = 0; i < n_files; i++)
        if ((high[i] = (int)syscall(SYS_fcntl, files[i], 1030 /* F_DUPFD_CLOEXEC */, 100)) < 0)
            return -1;
    for (int i = 0; i < n_files; i++)
        if (syscall(SYS_dup3, high[i], i, 0) < 0)
            return -1;
    return (int)syscall(SYS_close_range, n_files, ~0U, 0);
}

/* Threads get the usual stack: the C library would give each as much as the wide limit of the main thread allows. */
static inline void use_usual_thread_stacks(void)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES) == 0)
        pthread_setattr_default_np(&attributes);
}

/* ---- the filter of a test process: a second layer over the allowlist of its jail ---- */

#if defined(__x86_64__)
#define JUDGE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define JUDGE_ARCH AUDIT_ARCH_AARCH64
#else
#error "the judge knows x86-64 and arm64 only"
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define LOAD_ARGUMENT(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (n)))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define REFUSE(error) RETURN(SECCOMP_RET_ERRNO | (error))
#define IF_CALL(number, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, (skip))
#define ALL_NEW_NAMESPACES 0x7E020080u /* every CLONE_NEW* flag */

/* No new processes, no exec, no signal to others, no change of identity or filter. Call it last. */
static inline int confine_test_process(void)
{
    uint32_t self = (uint32_t)syscall(SYS_getpid);
    struct sock_filter rules[] = {
        LOAD(nr),
        IF_CALL(SYS_clone, 4), /* threads only */
        LOAD_ARGUMENT(0),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, ALL_NEW_NAMESPACES, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 29, 0),
        REFUSE(EAGAIN),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_kill, 1, 0), /* signals to itself only */
        IF_CALL(SYS_tgkill, 3),
        LOAD_ARGUMENT(0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, self, 24, 0),
        REFUSE(EPERM),
        IF_CALL(SYS_prlimit64, 4), /* its own limits only */
        LOAD_ARGUMENT(0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 20, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, self, 19, 0),
        REFUSE(EPERM),
        IF_CALL(SYS_prctl, 4), /* thread names only */
        LOAD_ARGUMENT(0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_NAME, 15, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_GET_NAME, 14, 0),
        REFUSE(EPERM),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 13, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execveat, 12, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tkill, 11, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount, 10, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_umount2, 9, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setresuid, 8, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setresgid, 7, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setgroups, 6, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_capset, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setpgid, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsid, 1, 0),
        RETURN(SECCOMP_RET_ALLOW),
        REFUSE(EPERM),
    };
    struct sock_fprog program = { sizeof rules / sizeof *rules, rules };
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

#endif
