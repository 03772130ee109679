#include "trainer/trainer.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/stop_request.h"
#include "base/time_span.h"
#include "config/base_rate.h"
#include "mpi/agreement.h"
#include "ranks/compute_threads.h"
#include "report/wording.h"
#include "train/compute_device.h"
#include "train/dataset.h"
#include "train/from_settings.h"
#include "train/make_task.h"
#include "train/split_size.h"
#include "train/step.h"
#include "trainer/checkpointing.h"
#include "trainer/chunk_choice.h"
#include "trainer/error_ending.h"
#include "trainer/expected_step.h"
#include "trainer/given_weights.h"
#include "trainer/run_calendar.h"
#include "trainer/run_directory.h"
#include "trainer/run_ends.h"
#include "trainer/run_numbers_from.h"
#include "trainer/run_profile.h"
#include "trainer/run_report.h"
#include "trainer/run_saver.h"
#include "trainer/run_start.h"
#include "trainer/stop_rules.h"
#include "trainer/storage_check.h"

namespace trellis {
namespace {
// Thrown on all ranks to leave a validation that a signal has come in.
struct ValidationLeft {};

class Trainer {
 public:
  Trainer(const Ranks& ranks, TrainRequest request);
  ExitCode run() {
    return ending_.watch(ranks_, [&] { return run_to_end(); }, [&] { report_.tell_rest_at_error(); });
  }

 private:
  void load_or_initialize();
  void begin_metrics(const TrellisShape& shape, const at::TensorOptions& options);
  void validate_if_due();
  // What is due behind a step: validation, a checkpoint, the end of the run.
  std::optional<Stop> end_step();
  void save();
  void observe_plateau(double loss_nats, bool epoch_ended);
  void adapt_threads();
  void start_step();
  // Waits for the numbers of all steps but the last `under_way`, and reports them.
  void finish_steps(std::size_t under_way = 0);
  KeptCheckpoints kept_checkpoints() const { return {.keep = settings_.checkpoint.keep, .has_best = evaluator_ != nullptr}; }
  void end_profile(bool run_ended);
  std::optional<Stop> stop_after_step();
  bool validation_due(bool epoch_ended) const;
  ExitCode run_to_end();
  bool checkpoint_due(bool epoch_ended) const;

  const Ranks ranks_;
  TrainRequest request_;
  RunDirectory directory_;
  const double started_ = steady_seconds();
  Dataset data_;
  RunReport report_;
  RunStart start_;
  Settings settings_;
  at::Device device_ = at::kCPU;
  std::optional<MeshGroups> groups_;
  std::unique_ptr<Task> task_;
  std::optional<TrainingStep> training_;
  std::unique_ptr<Evaluator> evaluator_;  // null without validation
  RunState state_;
  LearningRateSchedule schedule_;

  RunProfile profile_;
  std::optional<AnswersStops> answers_stops_;  // from where there is something to save
  bool checkpoint_wanted_ = false;
  std::optional<std::int64_t> saved_step_;
  RunSaver saver_;
  ErrorEnding ending_{directory_.metrics()};
  // Started, in order, with where the run stands after them but for their result.
  std::deque<std::pair<StartedStep, FinishedStep>> steps_under_way_;
};

Trainer::Trainer(const Ranks& ranks, TrainRequest request)
    : ranks_(ranks),
      request_(std::move(request)),
      directory_(request_.run),
      data_(agree(ranks.world, [&] { return Dataset::open(request_.data); })),
      report_(ranks.rank() == 0, request_.progress),
      start_(start_run(ranks, request_, directory_, data_)),
      settings_(start_.settings.settings),
      saver_(ranks_, directory_) {
  if (start_.resumed) {
    state_ = start_.saved.run;
    saved_step_ = state_.step;
    saver_.resumed_from({state_.step, start_.resumed->path()}, state_);
  }
  if (request_.use_settings) request_.use_settings(settings_);
  for (const std::string& notice : start_.settings.notices) log_info("{}", notice);
  const TrellisShape shape = agree(ranks_.world, [&] {
    data_.expect_settings(settings_);
    return shape_from(settings_, data_.vocabulary_size());
  });
  device_ = choose_device(ranks_.world, settings_.train.device);
  set_product_precision(trains_with_tf32(settings_));
  const at::TensorOptions options = agree(ranks_.world, [&] { return tensor_options_from(settings_, device_); });
  if (ranks_.threads != nullptr && bits_depend_on_threads(settings_)) ranks_.threads->keep();
  schedule_ = schedule_from(settings_);
  groups_.emplace(mesh_groups_on(ranks_, device_, mesh_from(settings_, ranks_.size())));
  state_.chunks = choose_chunks(settings_, shape, groups_->mesh, device_.is_cuda(), state_.chunks);
  const std::int64_t chunks = chunks_of(settings_, state_.chunks);
  report_.starting("opening split 'train' and building the network", size_of_split(data_, "train").bytes);
  task_ = make_training_task(ranks_, *groups_, data_, settings_, shape, chunks, options);
  training_.emplace(*groups_, *task_, optimizer_rule_from(settings_), options);
  if (ranks_.size() > 1 && data_.is_text()) {
    training_->check_plan(run_numbers_from(settings_, shape, device_.is_cuda()), chunks);
  }
  load_or_initialize();
  task_->begin_pass(state_.epoch, state_.window);

  if (data_.has_split("valid")) {
    report_.starting("opening split 'valid'", size_of_split(data_, "valid").bytes);
    evaluator_ = make_evaluator(ranks_, *groups_, data_, "valid", validation_cut(settings_), settings_, shape, options);
  } else if (settings_.train.patience > 0 || settings_.schedule.plateau > 0) {
    throw AgreedError<ExitCode::wrong_setting>("train.patience and schedule.plateau need validation, but the corpus has no split 'valid'",
                                               request_.data.string(), "preprocess with a validation split, or set both to 0", ranks_.size());
  } else {
    log_info("the corpus has no split 'valid': there will be no validation{}", settings_.checkpoint.every == 0 ? "; a checkpoint is saved at each epoch's end" : "");
  }
  check_storage(ranks_.world, directory_, checkpoint_bytes(*training_, settings_), kept_checkpoints());
  begin_metrics(shape, options);
  if (ranks_.rank() == 0) {
    for (const std::string& warning : data_.warnings(settings_)) log_warning("{}: {}", request_.data.string(), warning);
  }
  log_info("{} parameters; {}, {} steps a pass; {} rank(s) with {} thread(s) each",
           format_count(static_cast<double>(training_->weights().layout().count())), task_->description(), task_->windows(), ranks_.size(),
           at::get_num_threads());
  if (ranks_.size() > 1) {
    log_info("mesh: {}{}", describe(groups_->mesh), groups_->mesh.pipeline > 1 ? fmt::format(", {} chunk(s) of time", chunks) : "");
  }
  if (settings_.schedule.batch_rule != BatchRule::none) log_info("{}", base_rate_text(settings_));
}

void Trainer::load_or_initialize() {
  report_.starting(start_.resumed ? "reading the checkpoint" : "drawing the first weights");
  if (start_.resumed) {
    agree(ranks_.world, [&] { load_training(*start_.resumed, start_.saved, *training_); });
    if (state_.window >= task_->windows()) {
      throw AgreedError<ExitCode::bad_data>(
          fmt::format("the checkpoint stands at window {}, but a pass over this corpus has {}", state_.window, task_->windows()),
          request_.data.string(), "resume with the corpus that the run was started with", ranks_.size());
    }
    return;
  }
  initialize(training_->weights(), initial_values_from(settings_), settings_.train.seed);
  if (settings_.optimizer.averaging == Averaging::always) training_->optimizer().begin_averaging();
  if (request_.init_from) {
    load_given_weights(ranks_, *request_.init_from, {.settings = settings_, .data = data_.identity()}, request_.allowed, training_->weights());
  }
}

void Trainer::begin_metrics(const TrellisShape& shape, const at::TensorOptions& options) {
  agree(ranks_.world, [] { throw_if_stop_requested(); });
  answers_stops_.emplace();
  ending_.reached(state_.step, state_.epoch);
  // here, where nothing more can be refused
  directory_.write_settings(ranks_.world, to_ini(settings_));
  directory_.set_aside_after(ranks_.world, state_.step);
  agree(ranks_.world, [&] {
    if (ranks_.rank() != 0) return;
    report_.begin(settings_, directory_.metrics(),
                  {.calendar = run_calendar(settings_, task_->windows(), evaluator_ != nullptr),
                   .step = state_.step,
                   .scored_in_validation = evaluator_ ? size_of_split(data_, "valid").items : 0,
                   .expected_step_seconds = slow_step_seconds(settings_, shape, groups_->mesh, options),
                   .started = started_});
    if (start_.resumed) {
      report_.resume({.step = state_.step, .epoch = state_.epoch, .checkpoint = start_.resumed->path().string(), .ranks = ranks_.size()});
    } else {
      report_.run_start(run_start_event(ranks_, data_, settings_, device_, training_->weights().layout()));
    }
    report_.expect_metrics();  // a folder that takes no metrics is refused as long as nothing is lost by it
  });
}

bool Trainer::validation_due(bool epoch_ended) const {
  if (!evaluator_) return false;
  return settings_.valid.every > 0 ? state_.step % settings_.valid.every == 0 : epoch_ended;
}

// With checkpoint.every=0, validations are the moments to save (validate_now); where there are none, ends of epochs.
bool Trainer::checkpoint_due(bool epoch_ended) const {
  const std::int64_t every = settings_.checkpoint.every;
  return every > 0 ? state_.step % every == 0 : epoch_ended && !evaluator_;
}

void Trainer::validate_if_due() {
  if (!state_.validation_due) return;
  finish_steps();
  const bool epoch_ended = state_.window == 0;
  const TimeSpan timed("validation", {.step = state_.step});
  report_.end_interval("validation");
  const double begun = steady_seconds();
  double saving = 0;
  // What is saved meanwhile is where the run stood before the validation, which a resumed run makes from its beginning.
  const auto answer = [&](const Pause& pause) {
    if (pause.stop) throw ValidationLeft{};
    if (!pause.checkpoint) return;
    const double saving_begun = steady_seconds();
    save();
    saving += steady_seconds() - saving_begun;
  };
  const EvaluationResult result = evaluator_->run(training_->evaluated_weights(), answer);
  const double seconds = steady_seconds() - begun - saving;
  state_.validation_due = false;
  saved_step_.reset();  // what may have been saved of this step is not what it is now
  observe_plateau(result.loss_nats, epoch_ended);
  const bool is_best = std::isfinite(result.loss_nats) && (!state_.best || result.loss_nats < state_.best->loss_nats);
  if (is_best) {
    state_.best = BestValidation{result.loss_nats, state_.step};
    state_.validations_without_best = 0;
  } else {
    ++state_.validations_without_best;
  }
  // the best is kept on disk, and without a fixed interval every validation is a moment to save
  checkpoint_wanted_ = checkpoint_wanted_ || is_best || settings_.checkpoint.every == 0;
  report_.leave_out(seconds);
  agree(ranks_.world, [&] {
    report_.validation({.step = state_.step, .epoch = state_.epoch, .loss_nats = result.loss_nats, .accuracy = result.accuracy,
                        .scored = result.scored, .seconds = seconds, .is_best = is_best},
                       epoch_ended);
  });
}

// A plateau lowers the rate, or begins the averages where the settings say so; one that comes together with a milestone is
// one fall, not two.
void Trainer::observe_plateau(double loss_nats, bool epoch_ended) {
  if (!observe_validation(state_.plateau, loss_nats, settings_.schedule.plateau)) return;
  const auto& milestones = settings_.schedule.milestones;
  const bool at_milestone = epoch_ended && std::find(milestones.begin(), milestones.end(), state_.epoch) != milestones.end();
  const bool averages = settings_.optimizer.averaging == Averaging::plateau;
  if (averages || at_milestone) --state_.plateau.falls;
  if (!averages || training_->optimizer().averaging()) return;
  training_->optimizer().begin_averaging();
  if (ranks_.rank() == 0) log_info("validation has reached a plateau: averaged SGD begins at step {}", state_.step);
}

void Trainer::save() {
  finish_steps();
  checkpoint_wanted_ = false;
  checkpoint_request_met();
  if (saved_step_ == state_.step) return;
  const TimeSpan timed("checkpoint", {.step = state_.step});
  report_.end_interval("checkpoint");
  const double begun = steady_seconds();
  const Optimizer& optimizer = training_->optimizer();
  state_.averaged_updates = optimizer.averaging() ? std::optional(optimizer.averaged_updates()) : std::nullopt;
  report_.bring_to_disk();  // metrics first: a checkpoint counts steps whose events are safe
  const auto report = saver_.save(*training_, {.run = state_, .settings = settings_, .data = data_.identity()}, kept_checkpoints());
  report_.leave_out(steady_seconds() - begun);
  if (report) {
    saved_step_ = state_.step;
    report_.checkpoint({.step = state_.step, .path = report->path.string(), .bytes = report->bytes_total, .seconds = report->seconds});
  } else {
    report_.checkpoint_failed({.step = state_.step, .reason = saver_.failure()->fact(),
                               .newest_step = saver_.newest() ? std::optional(saver_.newest()->step) : std::nullopt});
  }
}

void Trainer::adapt_threads() {
  if (ranks_.threads == nullptr) return;
  if (const auto remark = ranks_.threads->adapt()) log_info("{}", *remark);
}

void Trainer::start_step() {
  const double learning_rate = learning_rate_at(schedule_, state_.step, state_.epoch, state_.plateau.falls);
  StartedStep started = [&] {
    try {
      return training_->start(state_.step, learning_rate);
    } catch (...) {  // those before it are told of, and may be what is wrong
      finish_steps();
      throw;
    }
  }();
  ++state_.step;
  ++state_.window;
  state_.scored += started.scored();
  steps_under_way_.emplace_back(std::move(started), step_under_way(state_, task_->windows(), learning_rate));
}

void Trainer::finish_steps(std::size_t under_way) {
  while (steps_under_way_.size() > under_way) {
    auto& [started, finished] = steps_under_way_.front();
    finished.result = started.wait();
    report_.step(finished);
    ending_.reached(finished.step, finished.epoch);
    steps_under_way_.pop_front();
  }
}

void Trainer::end_profile(bool run_ended) {
  if (!profile_.ends_at(state_.step, run_ended)) return;
  finish_steps();
  report_.clear();
  const double begun = steady_seconds();
  profile_.end(state_.step);
  report_.leave_out(steady_seconds() - begun);
}

// Collective: all ranks stop, or none.
std::optional<Stop> Trainer::stop_after_step() {
  const TimeSpan timed("stop or go on");
  const double elapsed = steady_seconds() - started_;
  std::array<std::int64_t, 4> flags{stop_requested().has_value(), checkpoint_requested(),
                                    settings_.train.seconds > 0 && elapsed >= settings_.train.seconds, saver_.retry_is_due(steady_seconds())};
  ranks_.world.all_reduce(flags, Reduction::max);
  checkpoint_wanted_ = checkpoint_wanted_ || flags[1] != 0 || flags[3] != 0;
  if (const std::optional<Stop> stop = finished(settings_.train, state_)) return stop;
  if (flags[0] != 0) return Stop{"signal", true};
  if (flags[2] != 0) return Stop{"seconds", true};
  return std::nullopt;
}

std::optional<Stop> Trainer::end_step() {
  std::optional<Stop> stop;
  try {
    validate_if_due();
    if (checkpoint_due(state_.window == 0)) checkpoint_wanted_ = true;
    stop = stop_after_step();
  } catch (const ValidationLeft&) {
    if (ranks_.rank() == 0) log_info("the validation at step {} is left, and made again when the run is resumed", state_.step);
    stop = Stop{"signal", true};
  }
  if (checkpoint_wanted_ || stop) save();
  end_profile(stop.has_value());
  return stop;
}

ExitCode Trainer::run_to_end() {
  std::optional<Stop> stop;
  state_.validation_due = state_.validation_due && evaluator_;
  if (state_.validation_due) {
    stop = end_step();
  } else if (start_.resumed) {
    stop = stop_after_step();
    if (stop && !stop->resumable) log_info("nothing is left to do at step {}: raise train.{} to train on", state_.step, stop->reason);
  }
  profile_.plan(ranks_, directory_.profiles(), request_.profile, state_.step, total_steps(settings_.train, task_->windows()));
  const std::size_t ahead = request_.steps_ahead.value_or(device_.is_cuda() ? 1 : 0);
  while (!stop) {
    if (profile_.begins_behind(state_.step)) {
      finish_steps();
      profile_.begin();
    }
    adapt_threads();
    report_.doing_step(state_.step + 1);
    start_step();
    finish_steps(ahead);

    const bool epoch_ended = state_.window == task_->windows();
    if (epoch_ended) {
      const TimeSpan timed("begin a pass");
      ++state_.epoch;
      state_.window = 0;
      task_->begin_pass(state_.epoch, 0);
    }
    state_.validation_due = validation_due(epoch_ended);
    stop = end_step();
  }
  const bool saved = saved_step_ == state_.step;
  const ExitCode code = !saved ? ExitCode::write_failed : stop->resumable ? ExitCode::stopped_early : ExitCode::done;
  agree(ranks_.world, [&] {
    report_.stop({.step = state_.step, .epoch = state_.epoch, .reason = stop->reason, .exit_code = static_cast<int>(code)}, stop->resumable);
    report_.sum_up(end_summary(ranks_, directory_, request_.data, settings_, state_, saved_step_, *stop));
  });
  report_.bring_to_disk();
  if (!saved) saver_.throw_unsaved(state_.step);
  agree(ranks_.world, [&] { report_.expect_metrics_at_end(); });
  return code;
}

}  // namespace

ExitCode train(const Ranks& ranks, TrainRequest request) { return Trainer(ranks, std::move(request)).run(); }

}  // namespace trellis
