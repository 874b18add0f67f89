// Tells glibc's malloc what to do with pages that have become free.
//
// Errors: none.
//
// Thread safety: called by main() before other threads start.
#pragma once

namespace entropyd {

// Makes malloc keep freed pages for the next message instead of returning them to the kernel. By
// default malloc gets new pages for every block of 128 KiB or more, and returns the top of a heap
// as soon as 128 KiB of it are free. So a process that moves messages of up to 256 KiB faults the
// same pages in again and again. On a virtual machine, where a fault costs microseconds, four
// Attach sessions got 2.2 to 2.8 times as many bytes with it as without (tests/bench, attach).
//
// Costs at most 4 MiB of resident memory per malloc arena. Call it once, first in main().
void KeepFreedPages();

}  // namespace entropyd
