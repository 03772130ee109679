// What a process need not keep in memory. Each rank of a machine pays for it, so it is given back at the start.
#pragma once

namespace trellis {

// Freed memory goes back to the system: glibc otherwise raises the size from which it does with every large block that
// is freed, and what only the start needs (reading, drawing initial values) stays for ever. Call first in a process.
void return_freed_memory();

// Loading and relocating libraries touches some 60 MB of them (LibTorch alone registers thousands of operators) of which a
// training run needs little again. Unmaps those clean pages; what is needed comes back from the page cache, a page at a
// time. Does nothing where /proc/self/maps cannot be read. Call after everything is loaded.
void release_startup_pages();

}  // namespace trellis
