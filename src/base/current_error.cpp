#include "base/current_error.h"

#include <algorithm>
#include <exception>
#include <new>
#include <string>
#include <system_error>

#include "base/log.h"

namespace trellis {
namespace {

Error out_of_memory(const std::string& what) {
  return Error(ExitCode::wrong_setting, what, "",
               "take a smaller network (section model), fewer train.lanes, a shorter train.window, memory.recompute=gates or levels(5), or fewer ranks "
               "on each machine; or raise what limits the process's memory (ulimit -v, the batch system, the container)");
}

// std::thread throws this when the system gives it no thread.
Error error_of_system(const std::system_error& error) {
  if (error.code() == std::errc::resource_unavailable_try_again) {
    return Error(ExitCode::wrong_setting, std::string("the system gives this process no more threads: ") + error.code().message(), "",
                 "raise what limits its threads or memory (ulimit -u, ulimit -v, the batch system, the container), or take fewer train.threads or ranks "
                 "on this machine");
  }
  if (error.code() == std::errc::not_enough_memory) return out_of_memory(std::string("out of memory: ") + error.what());
  return Error(ExitCode::internal, error.what(), "", "");
}

// LibTorch's messages end with where in its code they come from, and it has no exception type for memory of the host.
Error error_of_library(std::string what) {
  what = what.substr(0, std::min(what.find("\nException raised from"), what.find("\nframe #")));
  const std::size_t wanted = what.find("can't allocate memory");
  if (wanted != std::string::npos) return out_of_memory(what.substr(wanted));
  return Error(ExitCode::internal, what, "", "");
}

}  // namespace

Error current_error() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return out_of_memory("out of memory");
  } catch (const std::system_error& error) {
    return error_of_system(error);
  } catch (const std::exception& error) {
    return error_of_library(error.what());
  } catch (...) {
    return Error(ExitCode::internal, "an exception of unknown type", "", "");
  }
}

void log_ending(const Error& error, std::string_view more) {
  const LogLevel level = error.code() == ExitCode::stopped_early ? LogLevel::warning : LogLevel::error;
  log_message(level, std::string(error.what()).append(more));
}

}  // namespace trellis
