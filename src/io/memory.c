/*
 * The resident set after start-up is mostly not ours: the dynamic loader touched the symbol tables,
 * relocations and initialisers of some thirty libraries behind libcurl, and none of it is read again.
 *
 * Happy path: the heap's free pages go back to the kernel (malloc_trim), then the pages of every
 * read-only segment are dropped from the page tables (madvise MADV_DONTNEED). What is still needed comes
 * back from the page cache by a minor fault.
 *
 * Why that is safe: a segment without PF_W is a private mapping of a file that the program cannot have
 * written to, so its pages equal the file's, and dropping them loses nothing. The exceptions are left
 * alone: segments with PF_W (data; also what RELRO protects after relocation) hold changed pages, and an
 * object with text relocations has changed pages even in its code, so such an object is passed over as
 * a whole. Only whole pages inside a segment are dropped, never one that it shares with a neighbour. The
 * vDSO is no file mapping; the kernel refuses it, which is fine.
 *
 * Failure modes: none that matters; an madvise that is refused leaves memory as it was.
 */
#include "io/memory.h"

#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static bool has_text_relocations(const struct dl_phdr_info *info)
{
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        if (ph->p_type != PT_DYNAMIC) {
            continue;
        }
        const ElfW(Dyn) *dyn = (const ElfW(Dyn) *)(info->dlpi_addr + ph->p_vaddr);
        for (; dyn->d_tag != DT_NULL; dyn++) {
            if (dyn->d_tag == DT_TEXTREL ||
                (dyn->d_tag == DT_FLAGS && (dyn->d_un.d_val & DF_TEXTREL))) {
                return true;
            }
        }
    }
    return false;
}

static int drop_read_only(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size;
    const uintptr_t page = *(const uintptr_t *)ctx;

    if (has_text_relocations(info)) {
        return 0;
    }
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        if (ph->p_type != PT_LOAD || (ph->p_flags & PF_W)) {
            continue;
        }
        uintptr_t from = (uintptr_t)(info->dlpi_addr + ph->p_vaddr);
        uintptr_t to = (from + ph->p_filesz) & ~(page - 1);
        from = (from + page - 1) & ~(page - 1);
        if (from < to) {
            (void)madvise((void *)from, to - from, MADV_DONTNEED); /* a refusal changes nothing */
        }
    }
    return 0;
}

void io_trim(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

#ifdef __GLIBC__
    malloc_trim(0);
#endif
    dl_iterate_phdr(drop_read_only, &page);
}
