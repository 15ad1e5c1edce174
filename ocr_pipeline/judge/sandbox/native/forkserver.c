/* The fork server that is linked into every C++ candidate: one start of the program serves all its tests.
 *
 * It is the program's entry point, so it runs before the C library and before any code of the candidate's, resolver
 * functions and constructors included, and it calls nothing that a candidate could define (building.py checks that the
 * object refers to `_start` alone). The test process becomes a child of the jail's first process, which takes its exit
 * status and its resource usage from the kernel, and goes on into the program under the filter of a test.
 */
#define _GNU_SOURCE
#include "protocol.h"

#if defined(__x86_64__)
__asm__(".text\n.globl judge_entry\n.type judge_entry, @function\njudge_entry:\n"
        "xorl %ebp, %ebp\ncall judge_serve\nxorl %edx, %edx\njmp _start\n");
#else
__asm__(".text\n.globl judge_entry\n.type judge_entry, %function\njudge_entry:\n"
        "bl judge_serve\nmov x0, #0\nb _start\n");
#endif

/* Serve tests; returns in the process of a test. */
__attribute__((used, visibility("hidden"))) void judge_serve(void)
{
    raw(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0); /* else a test could write to this process's memory through /proc */
    for (;;) {
        struct test_request request;
        int files[TEST_FILES], n_files;
        if (receive_message(FORK_SERVER_FD, &request, sizeof request, files, &n_files) <= 0 || n_files < LEAST_FILES)
            raw(SYS_exit_group, 127, 0, 0, 0, 0);
        long child = raw(SYS_clone, SERVER_CLONE, 0, 0, 0, 0);
        if (child == 0) {
            if (install_files(files, n_files) < 0 || confine_test_process() < 0)
                give_up();
            return;
        }
        for (int i = 0; i < n_files; i++)
            raw(SYS_close, files[i], 0, 0, 0, 0);
        uint64_t number = (uint64_t)child;
        send_message(FORK_SERVER_FD, &number, sizeof number, NULL, 0);
    }
}
