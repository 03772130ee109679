#include "tests/model/autograd_oracle_helpers.h"

namespace trellis::autograd_oracle {
namespace {

using at::Tensor;

// x [B, C, T] delayed by `steps`; the first columns are `fill` [B, C].
Tensor shift_right(const Tensor& x, std::int64_t steps, const Tensor& fill) {
  if (steps == 0) return x;
  return at::cat({fill.unsqueeze(2).expand({-1, -1, steps}), x}, 2).slice(2, 0, x.size(2));
}

// sum_j w[:, :, j] x[t - (k-1-j) * dilation];  w [R, C, k].
Tensor convolve(const Tensor& x, const Tensor& w, std::int64_t dilation, const Tensor& fill) {
  Tensor sum;
  for (std::int64_t tap = 0; tap < w.size(2); ++tap) {
    const Tensor delayed = shift_right(x, (w.size(2) - 1 - tap) * dilation, fill);
    const Tensor term = at::matmul(w.select(2, tap), delayed);
    sum = sum.defined() ? sum + term : term;
  }
  return sum;
}

Tensor weight_norm(const Tensor& v, const Tensor& g) {
  const Tensor squares = v.flatten(1).square().sum(1);
  const Tensor norm = squares.where(squares > 0, 1).sqrt();  // a row that is dropped altogether stays zero
  return v * (g / norm.view({-1, 1, 1}));
}

// 1 where W2 [4H, H, k] may differ from zero: before the current step a group sees itself, at it the group below.
Tensor mixed_group_mask(const TrellisShape& shape) {
  const std::int64_t H = shape.hidden, size = H / shape.groups;
  const Tensor channel = at::arange(H, at::kLong).div(size, "floor");  // the group of each channel
  const Tensor to = channel.repeat({4}).view({-1, 1}), from = channel.view({1, -1});
  const Tensor own = (to == from).unsqueeze(2).expand({-1, -1, shape.kernel - 1}), below = (to - 1 == from).unsqueeze(2);
  return at::cat({own, below}, 2).to(at::kDouble);
}

struct Kernels {
  Tensor input, hidden;  // effective: [4H, E, k], [4H, H, k]
};

Kernels effective_kernels(const TrellisShape& shape, const ParameterLayout& layout, const Tensors& p, const DropoutMasks& masks) {
  const auto kernel = [&](const std::string& name, const KernelDropout& dropout, bool grouped) {
    const std::string raw_name = shape.weight_norm ? name + "_v" : name;
    Tensor raw = p.at(raw_name);
    if (dropout.given.defined()) raw = raw * layout.published(layout.find(raw_name), dropout.given);
    if (grouped) raw = raw * mixed_group_mask(shape);
    return shape.weight_norm ? weight_norm(raw, p.at(name + "_g")) : raw;
  };
  return {kernel("W1", masks.input_kernel, false), kernel("W2", masks.hidden_kernel, shape.groups > 0)};
}

struct Trellis {
  Tensor hidden, cell;          // [B, H, T]
  std::vector<Tensor> outputs;  // [B, O, T] by number, before output dropout
};

Trellis trellis(const TrellisShape& shape, const Tensor& x, const Tensor& h0, const Tensor& c0, const Tensor& w1, const Tensor& w2,
                const Tensor& bias, const Tensor& hidden_mask) {
  const std::int64_t B = x.size(0), T = x.size(2);
  Tensor h = at::zeros({B, shape.hidden, T}, x.options()), c = at::zeros_like(h);
  std::vector<Tensor> outputs(1);
  for (std::int64_t level = 0; level < shape.levels; ++level) {
    const std::int64_t d = shape.dilations[static_cast<std::size_t>(level) % shape.dilations.size()];
    const Tensor masked = hidden_mask.defined() ? h * hidden_mask.unsqueeze(2) : h;
    const Tensor fill = hidden_mask.defined() ? h0 * hidden_mask : h0;
    Tensor a = convolve(masked, w2, d, fill) + bias.view({1, -1, 1});
    if (level % shape.injection_every == 0) a = a + convolve(x, w1, d, at::zeros({B, x.size(1)}, x.options()));
    const std::vector<Tensor> gates = a.chunk(4, 1);  // input, output, candidate, forget
    c = gates[3].sigmoid() * shift_right(c, d, c0) + gates[0].sigmoid() * gates[2].tanh();
    h = gates[1].sigmoid() * c.tanh();
    if (shape.auxiliary_every > 0 && (level + 1) % shape.auxiliary_every == 0) {
      outputs.push_back(h.slice(1, shape.hidden - shape.outputs));
    }
  }
  outputs[0] = h.slice(1, shape.hidden - shape.outputs);
  return {h, c, outputs};
}

// [steps * lanes, C] to [lanes, C, steps] and back.
Tensor batch_major(const Tensor& rows, std::int64_t lanes) { return rows.view({-1, lanes, rows.size(1)}).permute({1, 2, 0}); }
Tensor time_major(const Tensor& values) { return values.permute({2, 0, 1}).reshape({-1, values.size(1)}); }

Tensor leaf(const Tensor& values) { return values.detach().clone().requires_grad_(); }
Tensor gradient_of(const Tensor& of) { return of.grad().defined() ? of.grad() : at::zeros_like(of).detach(); }

Tensor with_mask(const Tensor& values, const std::vector<Tensor>& masks, std::size_t number) {
  return number < masks.size() && masks[number].defined() ? values * masks[number].unsqueeze(2) : values;
}

}  // namespace

StackAnswer run_stack(const StackCase& in) {
  const Tensor w1 = leaf(in.input_kernel), w2 = leaf(in.hidden_kernel), bias = leaf(in.bias), x = leaf(in.embedded);
  const Tensor h0 = leaf(in.history.hidden), c0 = leaf(in.history.cell);
  const Trellis out = trellis(in.shape, batch_major(x, in.lanes), h0, c0, w1.permute({0, 2, 1}), w2.permute({0, 2, 1}), bias, in.hidden_mask);

  StackAnswer answer;
  answer.result_hidden = time_major(out.hidden), answer.result_cell = time_major(out.cell);
  Tensor total = at::zeros({}, x.options());
  for (std::size_t n = 0; n < out.outputs.size(); ++n) {
    answer.outputs.push_back(time_major(with_mask(out.outputs[n], in.output_masks, n)));
    if (n < in.d_outputs.size() && in.d_outputs[n].defined()) total = total + (answer.outputs[n] * in.d_outputs[n]).sum();
  }
  if (in.d_result_hidden.defined()) total = total + (answer.result_hidden * in.d_result_hidden).sum();
  if (in.d_result_cell.defined()) total = total + (answer.result_cell * in.d_result_cell).sum();
  total.backward();
  for (Tensor& output : answer.outputs) output = output.detach();
  answer.result_hidden = answer.result_hidden.detach(), answer.result_cell = answer.result_cell.detach();
  answer.d_input_kernel = gradient_of(w1), answer.d_hidden_kernel = gradient_of(w2), answer.d_bias = gradient_of(bias);
  answer.d_embedded = gradient_of(x);
  answer.d_history = {gradient_of(h0), gradient_of(c0)};
  return answer;
}

Tensors leaves_of(const Parameters& weights) {
  Tensors leaves;
  for (const ParameterInfo& info : weights.layout().parameters()) leaves[info.name] = leaf(weights.published(info.name).contiguous());
  return leaves;
}

Tensors gradients_of(const Tensors& leaves) {
  Tensors gradients;
  for (const auto& [name, tensor] : leaves) gradients[name] = gradient_of(tensor);
  return gradients;
}

Tensor log_probabilities(const TrellisShape& shape, const Tensor& hidden, const Tensors& p, const Tensor& latent_mask) {
  const auto linear = [](const Tensor& x, const Tensor& weight, const Tensor& bias) { return at::matmul(x, weight.t()) + bias; };
  if (shape.experts > 0) {
    const Tensor prior = linear(hidden, p.at("prior_weight"), p.at("prior_bias")).softmax(1);
    Tensor latent = linear(hidden, p.at("latent_weight"), p.at("latent_bias"));
    if (latent_mask.defined()) latent = latent * latent_mask;
    latent = latent.tanh().view({hidden.size(0), shape.experts, shape.embedding});
    const Tensor each = linear(latent, p.at("embedding"), p.at("decoder_bias")).log_softmax(2);
    return (each + prior.log().unsqueeze(2)).logsumexp(1);
  }
  const auto logits = [&](std::int64_t begin, std::int64_t end) {
    return linear(hidden, p.at("embedding").slice(0, begin, end), p.at("decoder_bias").slice(0, begin, end));
  };
  if (shape.cutoffs.empty()) return logits(0, shape.vocabulary).log_softmax(1);
  const std::int64_t head_words = shape.cutoffs[0];
  const Tensor head = at::cat({logits(0, head_words), linear(hidden, p.at("cluster_weight"), p.at("cluster_bias"))}, 1).log_softmax(1);
  std::vector<Tensor> parts{head.slice(1, 0, head_words)};
  for (std::size_t n = 0; n < shape.cutoffs.size(); ++n) {
    const std::int64_t end = n + 1 < shape.cutoffs.size() ? shape.cutoffs[n + 1] : shape.vocabulary;
    const Tensor tail = logits(shape.cutoffs[n], end).log_softmax(1);
    parts.push_back(head.slice(1, head_words + static_cast<std::int64_t>(n), head_words + static_cast<std::int64_t>(n) + 1) + tail);
  }
  return at::cat(parts, 1);
}

ModelAnswer run_model(const TrellisShape& shape, const Objective& objective, const Parameters& weights, const WindowTokens& window,
                      std::int64_t lanes, const DropoutMasks& masks, const History& history) {
  const Tensors p = leaves_of(weights);
  const Kernels kernels = effective_kernels(shape, weights.layout(), p, masks);
  Tensor table = p.at("embedding");
  if (masks.embedding_rows.defined()) table = table * masks.embedding_rows.view({-1, 1});
  Tensor x = table.index({window.tokens.view({window.steps, lanes}).t()}).transpose(1, 2);  // [B, E, T]
  if (masks.input.defined()) x = x * masks.input.unsqueeze(2);
  const Trellis out = trellis(shape, x, history.hidden, history.cell, kernels.input, kernels.hidden, p.at("bias"), masks.hidden);

  const Tensor goal = window.targets.view({window.steps, lanes}).slice(0, window.discard).reshape({-1, 1});
  const auto scored = [&](std::size_t number) { return with_mask(out.outputs[number], masks.outputs, number).slice(2, window.discard); };
  const auto mean_loss = [&](std::size_t number) {
    Tensor latent_mask;
    if (number < masks.latents.size()) latent_mask = masks.latents[number].repeat({window.steps - window.discard, 1});
    return -log_probabilities(shape, time_major(scored(number)), p, latent_mask).gather(1, goal).mean();
  };
  const Tensor loss = mean_loss(0);
  Tensor auxiliary = at::zeros_like(loss), activation = scored(0).square().mean(), slowness = at::zeros_like(loss);
  for (std::size_t n = 1; n < out.outputs.size(); ++n) auxiliary = auxiliary + mean_loss(n);
  if (window.steps - window.discard > 1) slowness = out.outputs[0].slice(2, window.discard).diff(1, 2).square().mean();
  (loss + objective.auxiliary_weight * auxiliary + objective.activation * activation + objective.slowness * slowness).backward();

  ModelAnswer answer{.loss = loss.item<double>(),
                     .auxiliary = auxiliary.item<double>(),
                     .activation = activation.item<double>(),
                     .slowness = slowness.item<double>(),
                     .history = {},
                     .gradients = gradients_of(p)};
  answer.history = {out.hidden.select(2, window.steps - 1).detach(), out.cell.select(2, window.steps - 1).detach()};
  return answer;
}

ClassifierAnswer run_classifier(const TrellisShape& shape, const Parameters& weights, const LabelledSequences& batch,
                                const DropoutMasks& masks) {
  const Tensors p = leaves_of(weights);
  const Kernels kernels = effective_kernels(shape, weights.layout(), p, masks);
  const Tensor x = batch_major(masks.input.defined() ? batch.input * masks.input : batch.input, batch.lanes);
  const Tensor zero = at::zeros({batch.lanes, shape.hidden}, x.options());
  const Trellis out = trellis(shape, x, zero, zero, kernels.input, kernels.hidden, p.at("bias"), masks.hidden);
  Tensor logits = at::matmul(out.outputs[0].select(2, x.size(2) - 1), p.at("linear_weight").t()) + p.at("linear_bias");
  if (!masks.outputs.empty() && masks.outputs[0].defined()) logits = logits * masks.outputs[0];
  const Tensor log_p = logits.log_softmax(1);
  const Tensor loss = -log_p.gather(1, batch.labels.view({-1, 1})).mean();
  loss.backward();
  return {.loss = loss.item<double>(), .log_probabilities = log_p.detach(), .gradients = gradients_of(p)};
}

}  // namespace trellis::autograd_oracle
