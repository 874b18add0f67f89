// How our programs end: past the destructors of static objects and of libraries.
//
//   int main(int argc, char** argv) { EndProcess(Main(argc, argv)); }
//
// A thread that nobody can end may still be in a library: a security module that does not answer,
// a name service. exit(3) runs the library's destructors beside it. They may wait for the thread
// for ever, or take away under it what it uses.
//
// Errors: none; EndProcess() does not return.
//
// Thread safety: safe.
#pragma once

namespace entropyd {

// Writes what the buffers of the standard streams hold, and ends the process. Objects on a stack
// are not destroyed, in no thread: remove files and log lines before the call. In a build with a
// sanitizer for leaks these are reported.
[[noreturn]] void EndProcess(int status);

}  // namespace entropyd
