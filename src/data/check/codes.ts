// Every finding that a check can make besides format errors: how bad it is, and who may mend it. The
// wording is in the catalogue under `check.CODE` and `check.CODE.fix`.
import type { MessageKey } from '../../messages/en.ts';

export type Severity = 'error' | 'warning' | 'info';
/** `auto`: `--fix` applies it. `ask`: a person is asked first. Null: only the data's author can, and the
 *  advice says why and which command helps. */
export type Fix = 'auto' | 'ask' | null;

const rule = (severity: Severity, fix: Fix) => ({ severity, fix });

export const CODES = {
  // rows
  foreign_format: rule('info', 'ask'),
  needs_mapping: rule('warning', null),
  other_form: rule('error', 'ask'),
  bad_row: rule('error', 'ask'),
  not_printable: rule('error', 'ask'),
  too_few_rows: rule('warning', null),
  few_rows: rule('info', null),
  truncated_rows: rule('warning', 'ask'),
  nothing_to_learn: rule('warning', 'ask'),
  duplicate_exact: rule('warning', 'auto'),
  duplicate_near: rule('info', 'ask'),
  leakage: rule('warning', 'auto'),
  leakage_near: rule('warning', 'ask'),
  conflicting_answers: rule('warning', 'ask'),
  // answers
  blank_answer: rule('error', 'ask'),
  blank_prompt: rule('warning', 'ask'),
  short_answer: rule('info', 'ask'),
  null_answer: rule('warning', 'ask'),
  url_only: rule('warning', 'ask'),
  role_markers: rule('warning', 'ask'),
  unfinished_answer: rule('info', 'ask'),
  same_answer: rule('info', null),
  echo: rule('warning', 'ask'),
  prompt_in_answer: rule('warning', 'ask'),
  swapped_sides: rule('info', 'ask'),
  loop: rule('warning', 'ask'),
  refusal: rule('warning', 'ask'),
  boilerplate: rule('info', 'ask'),
  // texts
  placeholder: rule('warning', 'ask'),
  special_tokens: rule('warning', 'ask'),
  encoded_blob: rule('warning', 'ask'),
  replacement_character: rule('warning', 'ask'),
  mojibake: rule('warning', 'ask'),
  control_characters: rule('warning', 'auto'),
  lone_surrogate: rule('warning', 'auto'),
  mixed_scripts: rule('warning', 'ask'),
  html_entities: rule('warning', 'ask'),
  html_markup: rule('info', 'ask'),
  double_escaped: rule('info', 'ask'),
  edge_spaces: rule('info', 'ask'),
  no_break_space_inside: rule('info', 'ask'),
  // conversations
  last_not_assistant: rule('warning', 'ask'),
  assistant_first: rule('info', 'ask'),
  same_role_twice: rule('warning', 'ask'),
  late_system: rule('info', 'ask'),
  no_user: rule('warning', 'ask'),
  call_unanswered: rule('warning', 'ask'),
  tool_undeclared: rule('warning', 'ask'),
  tool_without_call: rule('warning', 'ask'),
  arguments_not_json: rule('warning', 'ask'),
  preference_identical: rule('error', 'ask'),
  // people and safety
  pii_email: rule('warning', 'ask'),
  pii_phone: rule('warning', 'ask'),
  pii_id_card: rule('warning', 'ask'),
  pii_bank_card: rule('warning', 'ask'),
  pii_secret: rule('warning', 'ask'),
  identity_shift: rule('warning', 'ask'),
  obedience_prompt: rule('warning', 'ask'),
  harmful_demonstration: rule('warning', 'ask'),
  // A hint: a linear classifier is wrong too often to warn by, and to drop rows by.
  unsafe_content: rule('info', null),
  // the file as a whole
  label_typo: rule('warning', 'ask'),
  label_odd: rule('warning', 'ask'),
  label_rare: rule('warning', 'ask'),
  label_imbalance: rule('warning', null),
  label_few_rows: rule('info', null),
  label_tokens: rule('warning', null),
  label_first_token: rule('warning', null),
  language_mix: rule('info', null),
  language_switch: rule('info', 'ask'),
  missing_system: rule('info', null),
  system_share: rule('warning', null),
  prompt_prefix: rule('info', 'ask'),
  repeated_instruction: rule('info', null),
  prompt_ending: rule('warning', 'ask'),
  separator_missing: rule('warning', 'ask'),
  stop_missing: rule('warning', 'ask'),
  completion_start: rule('warning', 'auto'),
  domain_overlap: rule('info', null),
} as const satisfies Record<string, { severity: Severity; fix: Fix }> &
  Record<CheckedCode, unknown>;

export type Code = keyof typeof CODES;

/** Every code has its two texts in the catalogue, and the other way round. */
type CheckedCode = MessageKey extends infer K
  ? K extends `check.${infer C}.fix`
    ? C
    : never
  : never;
