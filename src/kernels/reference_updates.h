// The specification of the optimizers' updates. Included by reference.cpp inside its namespace, so it opens none and includes
// nothing.

template <class T>
void sgd_update(const SgdUpdate<T>& k, Range elements, void*) {
  if (std::isnan(*k.gradient_scale)) return;
  const T scale = static_cast<T>(*k.gradient_scale);
  for (std::int64_t n = elements.begin; n < elements.end; ++n) {
    k.weights[n] -= k.learning_rate * (scale * k.gradient[n] + k.weight_decay * k.weights[n]);
  }
}

template <class T>
void adam_update(const AdamUpdate<T>& k, Range elements, void*) {
  if (std::isnan(*k.gradient_scale)) return;
  const T scale = static_cast<T>(*k.gradient_scale);
  for (std::int64_t n = elements.begin; n < elements.end; ++n) {
    const T gradient = scale * k.gradient[n] + k.weight_decay * k.weights[n];
    k.mean[n] += k.beta1_complement * (gradient - k.mean[n]);
    k.variance[n] = k.beta2 * k.variance[n] + k.beta2_complement * gradient * gradient;
    k.weights[n] -= k.step_size * k.mean[n] / (std::sqrt(k.variance[n]) / k.variance_correction + k.epsilon);
  }
}

template <class T>
T lamb_direction(const LambUpdate<T>& k, const LambBlock& block, std::int64_t n) {
  const T adam = k.mean[n] * k.mean_correction / (std::sqrt(k.variance[n]) / k.variance_correction + k.epsilon);
  return k.tensors[block.tensor].decayed ? adam + k.weight_decay * k.weights[n] : adam;
}

template <class T>
void lamb_moments(const LambUpdate<T>& k, Range blocks, void*) {
  if (std::isnan(*k.gradient_scale)) return;
  const T scale = static_cast<T>(*k.gradient_scale);
  for (std::int64_t b = blocks.begin; b < blocks.end; ++b) {
    double weight_sum = 0, direction_sum = 0;
    for (std::int64_t n = k.blocks[b].begin; n < k.blocks[b].end; ++n) {
      const T gradient = scale * k.gradient[n];
      k.mean[n] += k.beta1_complement * (gradient - k.mean[n]);
      k.variance[n] = k.beta2 * k.variance[n] + k.beta2_complement * gradient * gradient;
      const double weight = static_cast<double>(k.weights[n]), direction = static_cast<double>(lamb_direction(k, k.blocks[b], n));
      weight_sum += weight * weight;
      direction_sum += direction * direction;
    }
    k.weight_sums[b] = weight_sum;
    k.direction_sums[b] = direction_sum;
  }
}

template <class T>
void lamb_trust(const LambUpdate<T>& k, Range tensors, void*) {
  for (std::int64_t t = tensors.begin; t < tensors.end; ++t) {
    double weight_sum = 0, direction_sum = 0;
    for (std::int64_t b = k.tensors[t].first_block; b < k.tensors[t].end_block; ++b) {
      weight_sum += k.weight_sums[b];
      direction_sum += k.direction_sums[b];
    }
    k.trust[t] = weight_sum > 0 && direction_sum > 0 ? std::sqrt(weight_sum / direction_sum) : 1;
  }
}

template <class T>
void lamb_apply(const LambUpdate<T>& k, Range blocks, void*) {
  if (std::isnan(*k.gradient_scale)) return;
  for (std::int64_t b = blocks.begin; b < blocks.end; ++b) {
    const T rate = static_cast<T>(static_cast<double>(k.learning_rate) * k.trust[k.blocks[b].tensor]);
    for (std::int64_t n = k.blocks[b].begin; n < k.blocks[b].end; ++n) k.weights[n] -= rate * lamb_direction(k, k.blocks[b], n);
  }
}
