// What glibc's malloc does with pages that have become free.
#pragma once

namespace entropyd {

// Makes malloc keep freed pages for the next message instead of returning them to the kernel. By
// default every block from 128 KiB on is mapped anew, and the top of a heap goes back as soon as
// 128 KiB of it are free: a process that moves messages of up to 256 KiB faults the same pages in
// over and over. On a virtual machine, where a fault costs microseconds, four Attach sessions got
// 2.2 to 2.8 times as many bytes with it as without (tests/bench, attach).
//
// Costs at most 4 MiB of resident memory per malloc arena. First thing in main(), once.
void KeepFreedPages();

}  // namespace entropyd
