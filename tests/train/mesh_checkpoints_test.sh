#!/bin/bash
# A run that changes its mesh on the way: written where four ranks hold the vocabulary together, resumed on fewer ranks and
# other meshes, it goes on as one that never stopped; so do the optimizer's means and averages, and the history.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/run_helpers.sh"

corpus text 1500
data=text

# moves NAME WORD...: NAME.whole takes 12 steps on one rank. NAME.mesh takes 6 on four ranks and goes on to 12 on others
moves() {
  local name=$1 mesh count words
  shift
  expect 0 train 1 "$name.whole" train.steps=12 "$@" || return
  expect 0 train 4 "$name.mesh" train.steps=6 mesh.pipeline=2 mesh.chunks=3 mesh.vocabulary=4 "$@" || return
  says "mesh: 2 replicas x 2 stages, the vocabulary over 4 ranks"
  for mesh in "1 mesh.pipeline=1 mesh.vocabulary=1" "2 mesh.pipeline=1 mesh.vocabulary=2" "3 mesh.pipeline=3 mesh.vocabulary=3" \
    "4 mesh.pipeline=1 mesh.vocabulary=2"; do
    read -r count words <<< "$mesh"
    cp -r "$name.mesh" "$name.on.$count"
    # shellcheck disable=SC2086
    expect 0 train "$count" "$name.on.$count" --resume auto train.steps=12 $words "$@" || continue
    says "(step 6)"
    "$python" "$comparator" "$name.whole" "$name.on.$count" 1e-10 12 || fail "$name: resumed on $count ranks ($words) it is another run"
  done
}

moves adam
moves lamb optimizer.name=lamb optimizer.learning_rate=0.05 optimizer.weight_decay=0.1
moves averaged optimizer.name=sgd optimizer.learning_rate=1 optimizer.averaging=always

# the weights of a checkpoint begin another run, in stripes as on one rank
for count in 1 3; do
  expect 0 train "$count" "from.$count" --init-from "$(newest_of adam.mesh)" train.steps=3 "mesh.vocabulary=$count"
done
"$python" "$comparator" from.1 from.3 1e-10 3 || fail "a run that begins with given weights differs in stripes"

finish "the same run, whatever mesh it goes on with"
