// What a run is told beforehand; everything else it finds out or asks.
import type { TableOptions } from '../read-table/read-table.ts';
import type { PartSource } from './mapping.ts';
import type { Condition, Names } from './row-steps.ts';

export type PrepareOptions = {
  /** Columns must be called prompt and completion, as the legacy command wants them. */
  readonly legacy: boolean;
  readonly fix: boolean;
  readonly table: Omit<TableOptions, 'signal'>;
  readonly prompt: PartSource | null;
  readonly completion: PartSource | null;
  readonly saveMap: string | null;
  readonly to: 'completion' | 'chat' | null;
  readonly system: string | null;
  readonly where: readonly Condition[];
  readonly sample: number | null;
  readonly seed: number;
  readonly names: Names;
  /** Outputs are named after this instead of the input. */
  readonly output: string | null;
  /** Own keys of a row to those that its form usually has (dataset_info.json). */
  readonly rename: ((row: unknown) => unknown) | null;
  readonly onRows?: (rows: number) => void;
  readonly signal: AbortSignal;
};
