// What every program of this project does before everything else, so that nothing outside ends it in the middle of its work:
//
//   SIGTERM, SIGINT, SIGUSR2   are requests to stop (base/stop_request.h)
//   SIGHUP                     too: the terminal is gone; but it stays ignored where it was at the start, as under nohup
//   SIGXCPU                    too: the soft limit of CPU time is used up. Where there is only a hard one, which kills, a soft one is
//                              set in front of it
//   SIGUSR1                    is a request for a checkpoint
//   SIGPIPE, SIGXFSZ           are ignored: who writes to a closed pipe, or beyond the limit of a file's size, is told by errno
//
// Other signals do what they always do: SIGQUIT (Ctrl-\) ends a program at once. A standard stream that was closed by whoever
// started the program is opened on /dev/null, or else the first file opened would take its place and the log's lines; what is
// printed on a standard output that was closed cannot be written.
//
// An exception that nobody catches, of any thread or of a library's own initialisation, ends the program with the message and the
// exit code of current_error() (base/current_error.h) instead of SIGABRT.
#pragma once

namespace trellis {

// To be called by main first. A program that calls it is prepared even before: when its shared libraries are loaded, but have not
// begun to initialise themselves, which takes LibTorch some tenths of a second. Requests that come in between are held back until the
// call, for some libraries take signals for themselves when they are loaded.
void prepare_process();

}  // namespace trellis
