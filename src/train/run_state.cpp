#include "train/run_state.h"

#include "base/errors.h"

namespace trellis {

using nlohmann::json;

json RunState::to_json() const {
  json result{{"step", step},   {"epoch", epoch}, {"window", window}, {"scored", scored}, {"validations_without_best", validations_without_best},
              {"plateau", {{"recent", plateau.recent}, {"falls", plateau.falls}, {"best_before", nullptr}}}, {"best", nullptr},
              {"averaged_updates", nullptr}, {"validation_due", validation_due}, {"chunks", nullptr}};
  if (averaged_updates) result["averaged_updates"] = *averaged_updates;
  if (chunks) result["chunks"] = {{"stages", chunks->stages}, {"chunks", chunks->chunks}};
  if (plateau.best_before) result["plateau"]["best_before"] = *plateau.best_before;
  if (best) result["best"] = {{"loss_nats", best->loss_nats}, {"step", best->step}};
  return result;
}

RunState RunState::from_json(const json& source, int version, const std::string& where) {
  RunState state;
  try {
    source.at("step").get_to(state.step);
    source.at("epoch").get_to(state.epoch);
    source.at("window").get_to(state.window);
    source.at(version == 1 ? "tokens" : "scored").get_to(state.scored);
    source.at("validations_without_best").get_to(state.validations_without_best);
    const json& plateau = source.at("plateau");
    plateau.at("recent").get_to(state.plateau.recent);
    plateau.at("falls").get_to(state.plateau.falls);
    if (!plateau.at("best_before").is_null()) state.plateau.best_before = plateau.at("best_before").get<double>();
    if (version >= 2 && !source.at("averaged_updates").is_null()) state.averaged_updates = source.at("averaged_updates").get<std::int64_t>();
    if (version >= 3 && !source.at("chunks").is_null()) {
      state.chunks = ChunkChoice{source.at("chunks").at("stages").get<std::int64_t>(), source.at("chunks").at("chunks").get<std::int64_t>()};
    }
    if (version >= 4) source.at("validation_due").get_to(state.validation_due);
    const json& best = source.at("best");
    if (!best.is_null()) {
      state.best = BestValidation{best.at(version == 1 ? "loss_nats_per_token" : "loss_nats").get<double>(), best.at("step").get<std::int64_t>()};
    }
  } catch (const json::exception& e) {
    throw DataError(std::string("the run's state cannot be used: ") + e.what(), where, "resume from another checkpoint");
  }
  if (state.step < 0 || state.epoch < 0 || state.window < 0 || state.scored < 0 || state.plateau.falls < 0 || state.averaged_updates.value_or(0) < 0) {
    throw DataError("the run's state holds a negative count", where, "resume from another checkpoint");
  }
  if (state.chunks && (state.chunks->stages < 1 || state.chunks->chunks < 1)) {
    throw DataError("the run's state holds a number of chunks or stages below 1", where, "resume from another checkpoint");
  }
  return state;
}

}  // namespace trellis
