// The classifier that answers /v1/moderations and screens training files: thirteen linear models over
// hashed features, trained by scripts/train-moderation.ts. Pure TypeScript, a millisecond per page.
import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import { CATEGORIES, type Scores, withParents } from './categories.ts';
import { dampingOf, featuresOf } from './features.ts';
import { type LinearModel, readModel } from './model-file.ts';
import { windowsOf } from './windows.ts';

// The same place seen from src/ and from dist/.
const MODEL = new URL('../../assets/moderation/model.bin.br', import.meta.url);

export type Classifier = {
  /** 0 to 1 for each category; from THRESHOLD on it counts as present. */
  readonly classify: (text: string) => Scores;
};

let loaded: Classifier | undefined;

/** Reads the bundled model at the first call. */
export function loadClassifier(): Classifier {
  loaded ??= classifierOf(readModel(brotliDecompressSync(readFileSync(MODEL))));
  return loaded;
}

function classifierOf(models: readonly LinearModel[]): Classifier {
  const scoreFeatures = (features: Uint16Array) =>
    scoresOf((i) => probability(models[i]!, features));
  return {
    classify: (text) => {
      // One harmful sentence must not drown in a long text: the worst window counts.
      const windows = Array.from(windowsOf(text), (window) => scoreFeatures(featuresOf(window)));
      return scoresOf((i) => Math.max(...windows.map((scores) => scores[CATEGORIES[i]!])));
    },
  };
}

function probability({ bias, scale, weights }: LinearModel, features: Uint16Array): number {
  let sum = 0;
  for (const feature of features) sum += weights[feature]!;
  return 1 / (1 + Math.exp(-(bias + (scale * sum) / dampingOf(features))));
}

const scoresOf = (scoreOf: (index: number) => number): Scores =>
  withParents(
    Object.fromEntries(CATEGORIES.map((category, i) => [category, scoreOf(i)])) as Scores,
  );
