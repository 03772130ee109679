// Errors that happen on one rank and must end all of them: without agreement the others wait in a collective for ever.
#pragma once

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/current_error.h"
#include "base/errors.h"
#include "mpi/communicator.h"

namespace trellis {

// Marks an error that every one of `ranks` ranks is throwing at this moment. Found by dynamic_cast from Error.
struct Agreement {
  explicit Agreement(int of_ranks) : ranks(of_ranks) {}
  virtual ~Agreement() = default;
  int ranks;
};

// An error of category Code, thrown alike on every rank.
template <ExitCode Code>
class AgreedError : public CategorizedError<Code>, public Agreement {
 public:
  AgreedError(std::string what, std::string where, std::string fix, int of_ranks)
      : CategorizedError<Code>(std::move(what), std::move(where), std::move(fix)), Agreement(of_ranks) {}
};

// Collective. `error` is what happened on this rank, if anything. Returns if no rank has one; otherwise every rank
// throws the error of the lowest failing rank, in its own category (WriteError stays WriteError), with "rank N on HOST"
// added to where() if there are several ranks.
void agree_on_error(const Communicator& communicator, const std::optional<Error>& error);

// Of the exception being handled: whether every one of `ranks` ranks is throwing it. To be called in a catch block.
bool is_agreed(int ranks);

// Collective. Runs the local function on every rank, then agrees as above; gives back its result. The function may
// itself be collective only as long as every error inside it is agreed, too.
template <class Function>
auto agree(const Communicator& communicator, Function&& local) -> std::invoke_result_t<Function> {
  using Result = std::invoke_result_t<Function>;
  std::optional<Error> error;
  if constexpr (std::is_void_v<Result>) {
    try {
      std::invoke(std::forward<Function>(local));
    } catch (...) {
      error = current_error();
    }
    agree_on_error(communicator, error);
  } else {
    std::optional<Result> result;
    try {
      result.emplace(std::invoke(std::forward<Function>(local)));
    } catch (...) {
      error = current_error();
    }
    agree_on_error(communicator, error);
    return std::move(*result);
  }
}

}  // namespace trellis
