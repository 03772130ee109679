#include "train/trainer.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/time_span.h"
#include "checkpoint/catalogue.h"
#include "checkpoint/run_lock.h"
#include "config/base_rate.h"
#include "config/setting_values.h"
#include "config/settings_ranks.h"
#include "config/settings_resume.h"
#include "config/settings_validate.h"
#include "mpi/agreement.h"
#include "mpi/same_on_all.h"
#include "report/format.h"
#include "train/checkpointing.h"
#include "train/compute_device.h"
#include "train/dataset.h"
#include "train/from_settings.h"
#include "train/make_task.h"
#include "train/profile.h"
#include "train/rank_facts.h"
#include "train/run_directory.h"
#include "train/run_numbers_from.h"
#include "train/run_report.h"
#include "train/shared_directory.h"
#include "train/signals.h"
#include "train/step.h"
#include "train/stop_rules.h"

namespace trellis {
namespace {

class Trainer {
 public:
  Trainer(const Ranks& ranks, TrainRequest request);
  ExitCode run();

 private:
  void choose_start();
  // Among each other and against the ranks that are running.
  void check_settings() const {
    validate(settings_, request_.settings.origins);
    mesh_from(settings_, ranks_.size());
  }
  void load_or_initialize();
  void begin_metrics();
  void validate_now(bool epoch_ended);
  void save();
  void observe_plateau(double loss_nats, bool epoch_ended);
  void start_step();
  // Waits for the numbers of all steps but the last `under_way`, and reports them.
  void finish_steps(std::size_t under_way = 0);
  void plan_profile_steps();
  void end_profile(bool run_ended);
  std::optional<Stop> stop_after_step();
  bool validation_due(bool epoch_ended) const;

  const Ranks ranks_;
  TrainRequest request_;
  RunDirectory directory_;
  std::optional<RunLock> lock_;
  std::optional<CheckpointReader> resumed_;
  CheckpointState resumed_state_;
  Settings settings_;
  Dataset data_;
  at::Device device_ = at::kCPU;
  std::optional<MeshGroups> groups_;
  std::unique_ptr<Task> task_;
  std::optional<TrainingStep> training_;
  std::unique_ptr<Evaluator> evaluator_;  // null without validation
  RunState state_;
  LearningRateSchedule schedule_;

  std::optional<Profile> profile_;  // while there are steps to come that are to be profiled
  SignalRequests signals_;
  bool checkpoint_wanted_ = false;
  std::optional<std::int64_t> saved_step_;
  RunReport report_;
  double started_ = steady_seconds();
  // Started, in order, with where the run stands after them but for their result.
  std::deque<std::pair<StartedStep, FinishedStep>> steps_under_way_;
};

Trainer::Trainer(const Ranks& ranks, TrainRequest request)
    : ranks_(ranks),
      request_(std::move(request)),
      directory_(request_.run),
      data_(agree(ranks.world, [&] { return Dataset::open(request_.data); })) {
  Facts given = facts_of(request_.settings.settings);
  append(given, corpus_facts(data_));
  expect_same_on_all(ranks_.world, given);
  choose_start();
  if (request_.use_settings) request_.use_settings(settings_);
  const TrellisShape shape = agree(ranks_.world, [&] {
    data_.expect_settings(settings_);
    return shape_from(settings_, data_.vocabulary_size());
  });
  device_ = choose_device(ranks_.world, settings_.train.device);
  set_product_precision(trains_with_tf32(settings_));
  const at::TensorOptions options = agree(ranks_.world, [&] { return tensor_options_from(settings_, device_); });
  schedule_ = schedule_from(settings_);
  groups_.emplace(mesh_groups_on(ranks_, device_, mesh_from(settings_, ranks_.size())));
  task_ = make_training_task(ranks_, *groups_, data_, settings_, shape, options);
  training_.emplace(*groups_, *task_, optimizer_rule_from(settings_), options);
  if (ranks_.size() > 1 && data_.is_text()) {
    training_->check_plan(run_numbers_from(settings_, shape, device_.is_cuda()), settings_.mesh.chunks.count);
  }
  load_or_initialize();
  task_->begin_pass(state_.epoch, state_.window);

  if (data_.has_split("valid")) {
    evaluator_ = make_evaluator(ranks_, *groups_, data_, "valid", validation_cut(settings_), settings_, shape, options);
  } else if (settings_.train.patience > 0 || settings_.schedule.plateau > 0) {
    throw AgreedError<ExitCode::wrong_setting>("train.patience and schedule.plateau need validation, but the corpus has no split 'valid'",
                                               request_.data.string(), "preprocess with a validation split, or set both to 0", ranks_.size());
  } else {
    log_info("the corpus has no split 'valid': there will be no validation");
  }
  begin_metrics();
  log_info("{} parameters; {}, {} steps a pass; {} rank(s) with {} thread(s) each",
           format_count(static_cast<double>(training_->weights().layout().count())), task_->description(), task_->windows(), ranks_.size(),
           at::get_num_threads());
  if (ranks_.size() > 1) log_info("mesh: {}", describe(groups_->mesh));
  if (settings_.schedule.batch_rule != BatchRule::none) log_info("{}", base_rate_text(settings_));
}

void Trainer::load_or_initialize() {
  if (resumed_) {
    agree(ranks_.world, [&] { load_training(*resumed_, resumed_state_, *training_); });
    if (state_.chunks) task_->use_chunk_choice(*state_.chunks);
    if (state_.window >= task_->windows()) {
      throw AgreedError<ExitCode::bad_data>(
          fmt::format("the checkpoint stands at window {}, but a pass over this corpus has {}", state_.window, task_->windows()),
          request_.data.string(), "resume with the corpus that the run was started with", ranks_.size());
    }
    return;
  }
  initialize(training_->weights(), initial_values_from(settings_), settings_.train.seed);
  if (settings_.optimizer.averaging == Averaging::always) training_->optimizer().begin_averaging();
  if (!request_.init_from) return;
  expect_no_run(ranks_.world, *request_.init_from);
  const CheckpointReader reader = CheckpointReader::open(ranks_.world, *request_.init_from, Verify::hash);
  expect_same_on_all(ranks_.world, {agree(ranks_.world, [&] { return checkpoint_fact(reader); })});
  agree(ranks_.world, [&] {
    data_.expect_identity(read_state(reader).data);
    load_weights(reader, training_->weights());
  });
  log_info("weights from {}", request_.init_from->string());
}

// Decides what this run starts from: settings and state of a checkpoint, or the settings as given.
void Trainer::choose_start() {
  settings_ = request_.settings.settings;
  if (request_.resume == Resume::none) directory_.refuse_existing(ranks_.world);
  if (request_.resume == Resume::from_path) {
    expect_no_run(ranks_.world, request_.checkpoint);
    resumed_ = CheckpointReader::open(ranks_.world, request_.checkpoint, Verify::hash);
  }
  lock_.emplace(ranks_.world, directory_.path());
  expect_shared(ranks_.world, directory_);
  if (request_.resume == Resume::newest) resumed_ = open_newest_complete(ranks_.world, directory_.checkpoints());
  remove_stale(ranks_.world, directory_.checkpoints());

  if (resumed_) {
    expect_same_on_all(ranks_.world, {agree(ranks_.world, [&] { return checkpoint_fact(*resumed_); })});
    resumed_state_ = agree(ranks_.world, [&] { return read_state(*resumed_); });
    const CheckpointState& saved = resumed_state_;
    agree(ranks_.world, [&] {
      if (!request_.settings_given) {
        LoadedSettings loaded{saved.settings, {}};
        apply_words(loaded, request_.words);
        request_.settings = loaded;
      }
      settings_ = request_.settings.settings;
      check_settings();
      const auto incompatible = incompatible_changes(saved.settings, settings_);
      if (!incompatible.empty()) {
        throw ConfigError("settings differ that make it another run\n" + describe(incompatible), resumed_->path().string(),
                          "give them as they were, or start a new run (with --init-from to keep the weights)");
      }
      data_.expect_identity(saved.data);
      data_.expect_run_goes_on(saved.data);
    });
    expect_same_on_all(ranks_.world, facts_of(settings_));
    if (request_.resume == Resume::from_path) directory_.refuse_other_run(ranks_.world, settings_);
    if (!tells_splits(saved.data) && ranks_.rank() == 0) {
      log_warning("the checkpoint, of an older program, does not tell which text it was trained on: take care that {} is that one",
                  request_.data.string());
    }
    if (const auto noticed = noticed_changes(saved.settings, settings_); !noticed.empty()) {
      log_info("settings changed since the checkpoint:\n{}", describe(noticed));
    }
    if (const auto free = free_changes(saved.settings, settings_); !free.empty()) {
      log_info("settings changed since the checkpoint, without effect on the run's numbers:\n{}", describe(free));
    }
    state_ = saved.run;
    saved_step_ = state_.step;
    log_info("resumed from {} (step {})", resumed_->path().string(), state_.step);
  } else {
    if (request_.resume == Resume::newest && !request_.settings_given) {
      throw AgreedError<ExitCode::input_missing>("there is nothing to resume, and no --config to begin a run with", directory_.path().string(),
                                                 "check --run, or give --config", ranks_.size());
    }
    if (request_.resume == Resume::newest) log_info("nothing to resume in {}: a new run begins", directory_.path().string());
    agree(ranks_.world, [&] { check_settings(); });
  }
}

void Trainer::begin_metrics() {
  // here, where no more input can be refused
  directory_.write_settings(ranks_.world, to_ini(settings_));
  directory_.set_aside_after(ranks_.world, state_.step);
  agree(ranks_.world, [&] {
    if (ranks_.rank() != 0) return;
    report_.begin(settings_, directory_.metrics(), total_steps(settings_.train, task_->windows()));
    if (resumed_) {
      report_.resume({.step = state_.step, .epoch = state_.epoch, .checkpoint = resumed_->path().string(), .ranks = ranks_.size()});
    } else {
      report_.run_start({.corpus = request_.data.string(),
                         .precision = format_value(settings_.train.precision),
                         .device = device_.is_cuda() ? "cuda" : "cpu",
                         .settings = to_ini(settings_),
                         .ranks = ranks_.size(),
                         .parameters = training_->weights().layout().count()});
    }
  });
}

bool Trainer::validation_due(bool epoch_ended) const {
  if (!evaluator_) return false;
  return settings_.valid.every > 0 ? state_.step % settings_.valid.every == 0 : epoch_ended;
}

void Trainer::validate_now(bool epoch_ended) {
  if (!validation_due(epoch_ended)) return;
  finish_steps();
  const TimeSpan timed("validation", {.step = state_.step});
  report_.clear();
  const double begun = steady_seconds();
  const EvaluationResult result = evaluator_->run(training_->evaluated_weights());
  const double seconds = steady_seconds() - begun;
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
                        .scored = result.scored, .seconds = seconds, .is_best = is_best});
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
  signals_.checkpoint_done();
  if (saved_step_ == state_.step) return;
  const TimeSpan timed("checkpoint", {.step = state_.step});
  report_.clear();
  const double begun = steady_seconds();
  const Optimizer& optimizer = training_->optimizer();
  state_.chunks = task_->chunk_choice();
  state_.averaged_updates = optimizer.averaging() ? std::optional(optimizer.averaged_updates()) : std::nullopt;
  const WriteReport report = save_checkpoint(ranks_, directory_.checkpoints(), *training_,
                                             {.run = state_, .settings = settings_, .data = data_.identity()});
  saved_step_ = state_.step;
  prune_checkpoints(ranks_.world, directory_.checkpoints(), settings_.checkpoint.keep,
                    state_.best ? std::optional(state_.best->step) : std::nullopt);
  report_.leave_out(steady_seconds() - begun);
  agree(ranks_.world, [&] {
    report_.checkpoint({.step = state_.step, .path = report.path.string(), .bytes = report.bytes_total, .seconds = report.seconds});
  });
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
  steps_under_way_.emplace_back(std::move(started), FinishedStep{.result = {},
                                                                 .step = state_.step,
                                                                 .epoch = state_.epoch,
                                                                 .window = state_.window,
                                                                 .scored = state_.scored,
                                                                 .learning_rate = learning_rate});
}

void Trainer::finish_steps(std::size_t under_way) {
  while (steps_under_way_.size() > under_way) {
    auto& [started, finished] = steps_under_way_.front();
    finished.result = started.wait();
    report_.step(finished);
    steps_under_way_.pop_front();
  }
}

void Trainer::plan_profile_steps() {
  if (!request_.profile) return;
  const ProfilePlan plan = plan_profile(*request_.profile, state_.step, total_steps(settings_.train, task_->windows()));
  if (!plan.warning.empty() && ranks_.rank() == 0) log_warning("{}", plan.warning);
  if (plan.steps) profile_.emplace(ranks_, directory_.profiles(), *plan.steps);
}

// Where the profile's last step is done, or the run.
void Trainer::end_profile(bool run_ended) {
  if (!profile_ || !(run_ended || state_.step == profile_->steps().last)) return;
  finish_steps();
  report_.clear();
  if (profile_->recording()) {
    const double begun = steady_seconds();
    profile_->end(state_.step);
    report_.leave_out(steady_seconds() - begun);
  } else if (ranks_.rank() == 0) {
    log_warning("nothing was profiled: the run ends with step {}, before step {}", state_.step, profile_->steps().first);
  }
  profile_.reset();
}

// Collective: all ranks stop, or none.
std::optional<Stop> Trainer::stop_after_step() {
  const TimeSpan timed("stop or go on");
  const double elapsed = steady_seconds() - started_;
  std::array<std::int64_t, 3> flags{signals_.stop_requested(), signals_.checkpoint_requested(),
                                    settings_.train.seconds > 0 && elapsed >= settings_.train.seconds};
  ranks_.world.all_reduce(flags, Reduction::max);
  checkpoint_wanted_ = checkpoint_wanted_ || flags[1] != 0;
  if (const std::optional<Stop> stop = finished(settings_.train, state_)) return stop;
  if (flags[0] != 0) return Stop{"signal", true};
  if (flags[2] != 0) return Stop{"seconds", true};
  return std::nullopt;
}

ExitCode Trainer::run() {
  std::optional<Stop> stop;
  if (resumed_) stop = stop_after_step();  // a run that had ended has nothing left to do
  if (stop && !stop->resumable) log_info("nothing is left to do at step {}: raise train.{} to train on", state_.step, stop->reason);
  plan_profile_steps();
  const std::size_t ahead = request_.steps_ahead.value_or(device_.is_cuda() ? 1 : 0);
  while (!stop) {
    if (profile_ && state_.step + 1 == profile_->steps().first) {
      finish_steps();
      profile_->begin();
    }
    start_step();
    finish_steps(ahead);

    const bool epoch_ended = state_.window == task_->windows();
    if (epoch_ended) {
      const TimeSpan timed("begin a pass");
      ++state_.epoch;
      state_.window = 0;
      task_->begin_pass(state_.epoch, 0);
    }
    validate_now(epoch_ended);
    if (settings_.checkpoint.every > 0 && state_.step % settings_.checkpoint.every == 0) checkpoint_wanted_ = true;
    stop = stop_after_step();
    if (checkpoint_wanted_ || stop) save();
    end_profile(stop.has_value());
  }
  const ExitCode code = stop->resumable ? ExitCode::stopped_early : ExitCode::done;
  agree(ranks_.world, [&] {
    report_.stop({.step = state_.step, .epoch = state_.epoch, .reason = stop->reason, .exit_code = static_cast<int>(code)}, stop->resumable);
  });
  return code;
}

}  // namespace

ExitCode train(const Ranks& ranks, TrainRequest request) { return Trainer(ranks, std::move(request)).run(); }

}  // namespace trellis
