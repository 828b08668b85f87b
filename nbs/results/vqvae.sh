#!/usr/bin/env bash
# The VQ-VAE with all its quantisers, and QG-VAE, with an equal number of steps: nbs/results/vqvae.sh [FOLDER]
# EPOCHS passes over the 4,000 digits, 250 steps each. Steps and not minutes, so that other work on the machine changes nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=${1:-nbs/results/vqvae} epochs=${EPOCHS:-4} tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
run() {
    local name=$1 recipe=$2; shift 2
    [ -f "$out/$name.json" ] || qgvae train "$recipe" --precision fp32 --epochs "$epochs" ${1:+--set "$@"} --out "$tmp/$name" --result "$out/$name.json" > /dev/null
    echo "$(date +%T) $name"
}
run own digits-vqvae
run ema digits-vqvae-ema
run cosine digits-vqvae-cosine
run simvq digits-vqvae-simvq
run fsq digits-vqvae-fsq
run qgvae digits
run own-plain digits-vqvae codebook_start=0 reset_every=0
run ema-commit025 digits-vqvae-ema commitment_weight=0.25
run fsq-dim2 digits-vqvae-fsq model.dim=2
run cosine-dim8 digits-vqvae-cosine model.dim=8
run own-dim2 digits-vqvae model.dim=2
run own-no-resets digits-vqvae reset_every=0
run own-no-kmeans digits-vqvae codebook_start=0
run own-14x14x2 digits-vqvae model.downscale=1 model.n_words=2
run own-14x14x3 digits-vqvae model.downscale=1 model.n_words=3
run ema-no-resets digits-vqvae-ema reset_every=0
run own-dim16 digits-vqvae model.dim=16
run simvq-dim8 digits-vqvae-simvq model.dim=8
