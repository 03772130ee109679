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
  return v * (g / v.flatten(1).square().sum(1).sqrt().view({-1, 1, 1}));
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
    const Tensor a = convolve(x, w1, d, at::zeros({B, x.size(1)}, x.options())) + convolve(masked, w2, d, fill) + bias.view({1, -1, 1});
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

Tensor log_probabilities(const TrellisShape& shape, const Tensor& hidden, const Tensor& embedding, const Tensor& decoder_bias,
                         const Tensor& cluster_weight, const Tensor& cluster_bias) {
  const auto logits = [&](std::int64_t begin, std::int64_t end) {
    return at::matmul(hidden, embedding.slice(0, begin, end).t()) + decoder_bias.slice(0, begin, end);
  };
  if (shape.cutoffs.empty()) return logits(0, shape.vocabulary).log_softmax(1);
  const std::int64_t head_words = shape.cutoffs[0];
  const Tensor head = at::cat({logits(0, head_words), at::matmul(hidden, cluster_weight.t()) + cluster_bias}, 1).log_softmax(1);
  std::vector<Tensor> parts{head.slice(1, 0, head_words)};
  for (std::size_t n = 0; n < shape.cutoffs.size(); ++n) {
    const std::int64_t end = n + 1 < shape.cutoffs.size() ? shape.cutoffs[n + 1] : shape.vocabulary;
    const Tensor tail = logits(shape.cutoffs[n], end).log_softmax(1);
    parts.push_back(head.slice(1, head_words + static_cast<std::int64_t>(n), head_words + static_cast<std::int64_t>(n) + 1) + tail);
  }
  return at::cat(parts, 1);
}

ModelAnswer run_model(const TrellisShape& shape, double auxiliary_weight, const Parameters& weights, const WindowTokens& window,
                      std::int64_t lanes, const DropoutMasks& masks, const History& history) {
  std::map<std::string, Tensor> p;
  for (const ParameterInfo& info : weights.layout().parameters()) p[info.name] = leaf(weights.published(info.name).contiguous());

  const auto kernel = [&](const std::string& name, const KernelDropout& dropout) {
    Tensor raw = shape.weight_norm ? p.at(name + "_v") : p.at(name);
    if (dropout.given.defined()) raw = raw * dropout.given.permute({0, 2, 1});
    return shape.weight_norm ? weight_norm(raw, p.at(name + "_g")) : raw;
  };
  Tensor table = p.at("embedding");
  if (masks.embedding_rows.defined()) table = table * masks.embedding_rows.view({-1, 1});
  Tensor x = table.index({window.tokens.view({window.steps, lanes}).t()}).transpose(1, 2);  // [B, E, T]
  if (masks.input.defined()) x = x * masks.input.unsqueeze(2);
  const Trellis out = trellis(shape, x, history.hidden, history.cell, kernel("W1", masks.input_kernel), kernel("W2", masks.hidden_kernel),
                              p.at("bias"), masks.hidden);

  const Tensor goal = window.targets.view({window.steps, lanes}).slice(0, window.discard).reshape({-1, 1});
  const auto mean_loss = [&](std::size_t number) {
    const Tensor rows = time_major(with_mask(out.outputs[number], masks.outputs, number).slice(2, window.discard));
    const Tensor absent;
    const bool adaptive = !shape.cutoffs.empty();
    return -log_probabilities(shape, rows, p.at("embedding"), p.at("decoder_bias"), adaptive ? p.at("cluster_weight") : absent,
                              adaptive ? p.at("cluster_bias") : absent)
                .gather(1, goal)
                .mean();
  };
  const Tensor loss = mean_loss(0);
  Tensor auxiliary = at::zeros_like(loss);
  for (std::size_t n = 1; n < out.outputs.size(); ++n) auxiliary = auxiliary + mean_loss(n);
  (loss + auxiliary_weight * auxiliary).backward();

  ModelAnswer answer{.loss = loss.item<double>(), .auxiliary = auxiliary.item<double>(), .history = {}, .gradients = {}};
  answer.history = {out.hidden.select(2, window.steps - 1).detach(), out.cell.select(2, window.steps - 1).detach()};
  for (const auto& [name, tensor] : p) answer.gradients[name] = gradient_of(tensor);
  return answer;
}

}  // namespace trellis::autograd_oracle
