#include "trainer/run_state.h"

#include <limits>

#include "base/json_document.h"

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
  const JsonObject run(source, "", {"the run's state cannot be used", where, "resume from another checkpoint"});
  const auto count = [](const JsonObject& object, const char* key, std::int64_t least = 0) {
    return object.count(key, least, std::numeric_limits<std::int64_t>::max());
  };
  RunState state;
  state.step = count(run, "step");
  state.epoch = count(run, "epoch");
  state.window = count(run, "window");
  state.scored = count(run, version == 1 ? "tokens" : "scored");
  state.validations_without_best = count(run, "validations_without_best");
  const JsonObject plateau = run.object("plateau");
  for (const json& loss : plateau.list("recent")) {
    if (!loss.is_number() && !loss.is_null()) plateau.refuse(plateau.at("recent"), "holds what is no number");
    state.plateau.recent.push_back(loss.is_null() ? std::numeric_limits<double>::quiet_NaN() : loss.get<double>());
  }
  state.plateau.falls = count(plateau, "falls");
  if (!plateau.is_null("best_before")) state.plateau.best_before = plateau.number("best_before");
  if (version >= 2 && !run.is_null("averaged_updates")) state.averaged_updates = count(run, "averaged_updates");
  if (version >= 3 && !run.is_null("chunks")) {
    const JsonObject chunks = run.object("chunks");
    state.chunks = ChunkChoice{count(chunks, "stages", 1), count(chunks, "chunks", 1)};
  }
  if (version >= 4) state.validation_due = run.flag("validation_due");
  if (!run.is_null("best")) {
    const JsonObject best = run.object("best");
    state.best = BestValidation{best.number(version == 1 ? "loss_nats_per_token" : "loss_nats"), count(best, "step")};
  }
  return state;
}

}  // namespace trellis
