// Requests that arrive as signals while a run goes on: SIGUSR1 checkpoint and go on; SIGUSR2, SIGTERM and SIGINT checkpoint
// at the step's end and stop. Handlers only set flags; the training loop agrees on them over all ranks at each step's end.
#pragma once

namespace trellis {

class SignalRequests {
 public:
  // Installs the handlers; the destructor puts the former ones back. One object a process.
  SignalRequests();
  ~SignalRequests();
  SignalRequests(const SignalRequests&) = delete;
  SignalRequests& operator=(const SignalRequests&) = delete;

  bool stop_requested() const;
  bool checkpoint_requested() const;
  void checkpoint_done();
};

}  // namespace trellis
