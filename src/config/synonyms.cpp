#include "config/synonyms.h"

#include <algorithm>
#include <cctype>

namespace trellis {
namespace {

// words: with blanks between, as plain_word gives them.
struct Synonyms {
  std::string_view meant, words;
};

constexpr Synonyms kSettings[] = {
    {"model.task", "task_type problem objective"},
    {"model.levels", "layers depth n_layers num_layers nlayers n_layer nlevels n_levels num_levels num_hidden_layers"},
    {"model.hidden", "hidden_size hidden_dim nhid n_hid d_model width hid_size num_units units hidden_units n_hidden hidden_channels channels"},
    {"model.outputs", "nout n_out output_size out_size output_dim num_classes n_classes classes"},
    {"model.embedding", "emsize embed emb embed_dim emb_dim embedding_dim embedding_size emb_size d_embed n_embd n_embed"},
    {"model.kernel", "kernel_size ksize filter_size taps"},
    {"model.dilations", "dilation"},
    {"model.groups", "num_groups n_groups"},
    {"model.weight_norm", "wnorm weightnorm wn weight_normalisation weight_normalization"},
    {"model.cutoffs", "cutoff adaptive adaptive_softmax adaptive_softmax_cutoff"},
    {"model.experts", "n_experts num_experts mos mixtures"},
    {"model.kernel_std", "init_std initializer_range"},
    {"dropout.embedding", "dropoute embedding_dropout embed_dropout emb_dropout"},
    {"dropout.input", "dropouti input_dropout"},
    {"dropout.hidden", "dropouth hidden_dropout"},
    {"dropout.output", "dropouto output_dropout"},
    {"dropout.latent", "dropoutl latent_dropout"},
    {"dropout.weight", "wdrop weight_drop weight_dropout dropconnect drop_connect"},
    {"auxiliary.every", "aux_freq aux_every aux_frequency auxiliary_frequency"},
    {"auxiliary.weight", "aux aux_weight aux_loss_weight lambda auxiliary_weight"},
    {"penalty.activation", "alpha ar activation_regularization"},
    {"penalty.slowness", "beta tar temporal_activation_regularization"},
    {"train.lanes", "batch batch_size batchsize bs bsz train_batch_size per_device_train_batch_size global_batch_size minibatch minibatch_size"},
    {"train.window", "bptt tbptt seq_len seqlen seq_length sequence_length context_length context_size block_size unroll unroll_length window_size validseqlen"},
    {"train.discard", "burn_in burnin subseqlen"},
    {"train.accumulate", "gradient_accumulation gradient_accumulation_steps grad_accum accum accum_steps accumulation_steps accumulate_grad_batches update_freq batch_chunk"},
    {"train.seed", "random_seed manual_seed rng_seed random_state"},
    {"train.precision", "dtype fp16 bf16 amp mixed_precision half float16 bfloat16 tf32"},
    {"train.device", "cuda gpu cpu use_cuda use_gpu no_cuda accelerator"},
    {"train.threads", "num_threads n_threads nthreads cpus cores num_workers workers omp_num_threads"},
    {"train.steps", "max_steps num_steps n_steps total_steps train_steps max_iters iterations iters num_iterations updates max_updates max_update steps_per_run"},
    {"train.epochs", "epoch max_epochs max_epoch num_epochs n_epochs nepochs num_train_epochs passes"},
    {"train.patience", "early_stopping early_stop early_stopping_patience"},
    {"train.seconds", "time_limit max_time walltime wall_time timeout_seconds max_seconds"},
    {"optimizer.name", "optimizer optim algorithm optimizer_type opt solver"},
    {"optimizer.learning_rate", "lr learningrate base_lr init_lr initial_lr max_lr peak_lr eta rate step_size"},
    {"optimizer.weight_decay", "wd wdecay weightdecay l2 l2_penalty"},
    {"optimizer.clip", "grad_clip clip_grad clip_norm grad_clip_norm clip_grad_norm max_grad_norm gradient_clip gradient_clipping gradient_clip_val max_norm"},
    {"optimizer.beta1", "adam_beta1 momentum"},
    {"optimizer.beta2", "adam_beta2"},
    {"optimizer.epsilon", "eps adam_eps adam_epsilon"},
    {"optimizer.averaging", "asgd average averaged"},
    {"schedule.warmup", "warmup_steps warmup_updates num_warmup_steps warm_up warmup_iters"},
    {"schedule.milestones", "when lr_milestones decay_epochs"},
    {"schedule.plateau", "nonmono lr_patience"},
    {"schedule.factor", "gamma lr_decay decay_factor decay_rate anneal_factor"},
    {"schedule.floor", "min_lr lr_min end_lr"},
    {"schedule.decay", "scheduler lr_scheduler lr_scheduler_type lr_schedule"},
    {"schedule.decay_steps", "lr_decay_steps lr_decay_iters"},
    {"valid.every", "eval_every eval_interval eval_steps eval_freq val_every val_interval valid_every valid_interval validate_every val_check_interval"},
    {"valid.lanes", "eval_batch_size val_batch_size valid_batch_size test_batch_size per_device_eval_batch_size"},
    {"checkpoint.every", "save_every save_interval save_steps save_freq checkpoint_every checkpoint_interval ckpt_every"},
    {"checkpoint.keep", "keep_last keep_checkpoints max_checkpoints save_total_limit max_to_keep"},
    {"log.every", "log_every log_interval log_freq log_steps logging_steps report_every report_interval print_every print_freq disp_freq"},
    {"mesh.data", "replicas data_parallel data_parallel_size dp dp_size ddp"},
    {"mesh.pipeline", "stages pipeline_parallel pipeline_parallel_size pipeline_stages pp pp_size"},
    {"mesh.vocabulary", "vocab_parallel vocabulary_parallel tensor_parallel tensor_parallel_size tp tp_size"},
    {"mesh.chunks", "micro_batches microbatches num_microbatches"},
    {"mesh.timeout", "nccl_timeout dist_timeout"},
    {"memory.recompute", "gradient_checkpointing activation_checkpointing recompute_activations remat"},
    {"data.prefetch", "prefetch_factor read_ahead"},
    {"data.shuffle", "shuffle_data shuffling"},
    {"data.permute", "permuted"},
};

constexpr Synonyms kSections[] = {
    {"model", "network net architecture arch"},
    {"dropout", "dropouts regularization regularisation"},
    {"auxiliary", "aux deep_supervision"},
    {"penalty", "penalties regularizer"},
    {"train", "training trainer run"},
    {"optimizer", "optim optimiser optimization optimisation opt solver"},
    {"schedule", "scheduler lr_schedule lr_scheduler learning_rate"},
    {"valid", "validation val eval evaluation dev"},
    {"checkpoint", "checkpoints checkpointing ckpt save saving"},
    {"log", "logging logs logger"},
    {"mesh", "parallel parallelism distributed dist cluster"},
    {"memory", "mem"},
    {"data", "dataset corpus dataloader"},
};

// A word may lead to several flags: a command takes the first that it has.
constexpr Synonyms kFlags[] = {
    {"output", "out o output_dir outdir out_dir dest destination save_to target corpus"},
    {"run", "name run_name experiment out output output_dir outdir out_dir save save_dir run_dir rundir work_dir workdir exp_dir checkpoint_dir log_dir logdir model_dir"},
    {"data", "dataset corpus input input_dir data_dir datadir data_path train_data"},
    {"config", "cfg conf configuration config_file settings"},
    {"resume", "continue restart restore resume_from resume_from_checkpoint from_checkpoint load load_checkpoint"},
    {"init-from", "init pretrained pretrained_model warm_start load_weights initial_weights finetune"},
    {"checkpoint", "model ckpt load load_checkpoint checkpoint_path model_path"},
    {"weights", "out output file safetensors model"},
    {"train", "input text file files train_file trainfile training training_file train_data corpus"},
    {"valid", "val dev validation valid_file val_file valid_data"},
    {"test", "test_file test_data"},
    {"unit", "tokenizer tokenization tokenize level token token_type granularity units"},
    {"vocabulary", "vocab dict dictionary vocab_file vocab_size vocabulary_size"},
    {"min-count", "min_freq min_frequency mincount threshold unk_threshold min_occurrences"},
    {"threads", "workers num_workers num_threads n_threads nthreads jobs cpus cores"},
    {"lanes", "batch batch_size batchsize bs eval_batch_size"},
    {"window", "bptt seq_len seqlen seq_length sequence_length block_size"},
    {"split", "subset part partition"},
    {"tokens", "length max_length max_tokens max_new_tokens num_tokens n_tokens words num_words characters chars count"},
    {"prompt", "start seed_text input text prefix context"},
    {"temperature", "temp"},
    {"top-k", "topk"},
    {"top-p", "topp nucleus"},
    {"json", "output_format format_json"},
    {"precision", "dtype"},
    {"ranks", "gpus n np nproc world_size num_ranks processes"},
    {"device-memory", "gpu_memory vram"},
    {"print-config", "show_config dump_config dry_run"},
    {"profile", "profiler trace"},
    {"progress", "progress_bar no_progress no_bar no_tqdm disable_tqdm bar"},
    {"classes", "num_classes n_classes labels"},
    {"log-probabilities", "logprobs log_probs log_probabilities_file"},
};

constexpr Synonyms kAdvice[] = {
    {"[dropout] has embedding, input, hidden, output, latent and weight: for instance dropout.hidden=0.1", "dropout drop p_drop dropout_rate dropout_prob"},
    {"a rank is started for each GPU or group of cores: mpirun -n N trellis train ...",
     "gpus n_gpus ngpus num_gpus nproc nproc_per_node np nprocs ranks world_size processes devices num_devices nodes nnodes"},
    {"Adam's are two settings, optimizer.beta1 and optimizer.beta2", "betas adam_betas"},
};

bool holds(std::string_view words, std::string_view word) {
  if (word.empty()) return false;
  for (std::size_t at = words.find(word); at != std::string_view::npos; at = words.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || words[at - 1] == ' ') && (end == words.size() || words[end] == ' ')) return true;
  }
  return false;
}

std::optional<std::string> look_up(std::span<const Synonyms> table, const std::string& word) {
  const auto found = std::find_if(table.begin(), table.end(), [&](const Synonyms& entry) { return holds(entry.words, word); });
  return found == table.end() ? std::nullopt : std::optional(std::string(found->meant));
}

// "optimizer.lr": "lr".
std::string option_of(const std::string& word) { return word.substr(word.rfind('.') + 1); }

std::vector<std::string> targets_of(std::span<const Synonyms> table) {
  std::vector<std::string> targets;
  for (const Synonyms& entry : table) targets.emplace_back(entry.meant);
  return targets;
}

}  // namespace

std::string plain_word(std::string_view word) {
  word.remove_prefix(std::min(word.find_first_not_of('-'), word.size()));
  std::string plain(word);
  for (char& c : plain) c = c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return plain;
}

std::optional<std::string> setting_called(std::string_view word) { return look_up(kSettings, option_of(plain_word(word))); }

std::optional<std::string> section_called(std::string_view word) { return look_up(kSections, plain_word(word)); }

std::optional<std::string> flag_called(std::string_view word, std::span<const std::string> flags) {
  const std::string plain = plain_word(word);
  for (const Synonyms& entry : kFlags) {
    if (holds(entry.words, plain) && std::find(flags.begin(), flags.end(), entry.meant) != flags.end()) return std::string(entry.meant);
  }
  return std::nullopt;
}

std::optional<std::string> advice_about(std::string_view word) { return look_up(kAdvice, option_of(plain_word(word))); }

SynonymTargets synonym_targets() { return {targets_of(kSettings), targets_of(kSections), targets_of(kFlags)}; }

}  // namespace trellis
