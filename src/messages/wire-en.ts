// Sentences that cross the wire: events of jobs, reasons why they fail, refusals of requests. The API
// says them in English, whoever asks; retell.ts says them again in the reader's language. What stands
// here is said from here, so that the two cannot come apart; zod's own wording (`reason.…`) is the exception.
export const wireEn = {
  'event.created': 'Created fine-tuning job: {id}',
  'event.validating': 'Validating training file: {training}',
  'event.validating_both': 'Validating training file: {training} and validation file: {validation}',
  'event.plan':
    'Plan: {train} training rows, {valid} validation rows, {tokens} tokens per epoch; {epochs} epochs of batch size {batch} are {steps} steps; learning rate {rate} (multiplier {multiplier}); estimated {seconds} s and {memory} MiB of memory',
  'event.validated': 'Files validated, moving job to queued state',
  'event.waiting_one': 'Waiting: 1 job ahead',
  'event.waiting': 'Waiting: {ahead} jobs ahead',
  'event.started': 'Fine-tuning job started',
  'event.mixed':
    'Mixed {general} general rows with {own} rows of the training file: 1:{drawn}, asked for {ratio}',
  'event.order': 'Epoch {epoch}/{epochs}: rows in the order {list} (all of it: {digest})',
  'event.engine': 'Engine ready in {seconds} s: {precision}, {threads} threads.',
  'event.before': 'Before training: {list}',
  'event.step': 'Step {step}/{total}: {list}',
  'event.train_loss': 'training loss={loss}',
  'event.valid_loss': 'validation loss={loss}',
  'event.full_valid_loss': 'full validation loss={loss}',
  'event.checkpoint': 'Checkpoint created at step {step}: {model}',
  'event.cut':
    '{rows} row(s) are longer than the training context of {context} tokens and were cut at the end, {lost} tokens in all: {list}',
  'event.cut_row': 'line {line} of {file} ({tokens} tokens, {lost} lost)',
  'event.paused': 'Fine-tuning job paused',
  'event.resumed': 'Fine-tuning job resumed, moving to queued state',
  'event.resumed_validating': 'Fine-tuning job resumed, validating its files again',
  'event.cancelled': 'Fine-tuning job cancelled',
  'event.failed': 'The job failed: {message}',
  'event.model': 'New fine-tuned model created: {model}',
  'event.succeeded': 'The job has successfully completed',
  'event.again': '{crash}. It is started again from its last checkpoint.',
  'event.remark': 'The {which} file: {remark}',
  'event.remarks': 'The {which} file, also: {codes}. `tunery data check` explains each.',
  'event.no_template': 'The base model has no chat template; the built-in one is used.',
  'event.unused':
    "In the {which} file {keys} have no effect: the model's chat template does not print them.",
  'event.nothing_to_learn':
    '{rows} row(s) of the {which} file have nothing to learn from (weight 0, or all of it cut off) and are left out: {list}.',
  'event.little_memory':
    'This job needs about {needed} of memory and {free} are free now. Use a smaller base model, a shorter context_length, a smaller batch_size or shorter rows, or close other programs.',
  'event.flagged': 'Moderation flags {rows} row(s) of the {which} file: {list}.',
  'event.keeps_adapter': 'The model that is trained further keeps its adapter: {adapter}.',

  // Parts of sentences.
  'part.line': 'line {line}',
  'part.line_tokens': 'line {line} ({tokens} tokens)',
  'part.line_what': 'line {line} ({what})',
  'part.finding': '{remark}. {advice} [{code}]',
  'part.finding_line': '{remark} (line {lines}). {advice} [{code}]',
  'part.finding_more': '{remark} (lines {lines} and {count} more). {advice} [{code}]',
  'part.finding_lines': '{remark} (lines {lines}). {advice} [{code}]',
  'part.and_more': '{first} and {count} more',
  'part.training': 'training',
  'part.validation': 'validation',
  'part.general': 'general',
  'part.process': 'The {kind} process {how}',
  // As describeExit in src/lib/child.ts says it, which may not import this.
  'part.killed': 'was killed by {signal}',
  'part.exited': 'exited with code {code}',
  'part.last_output': '{how}; its last output: {output}',
  'part.problem': 'Invalid file format. Example {example}, {remark} (line {line}). {advice}',
  'part.key_unknown': 'This server knows no such key',
  'part.key_revoked': 'This key was revoked',
  'part.key_expired': 'This key was valid for a limited time, which has passed',
  'part.number': 'number',
  'part.int': 'int',
  'part.string': 'string',
  'part.array': 'array',
  'part.characters': 'characters',
  'part.items': 'items',
  'part.truncated_tensor':
    "{path} is truncated: tensor '{tensor}' ends at byte {end}, the file has {size}.",
  'part.truncated':
    '{path} is truncated: {count} bytes expected at byte {at}, the file has {size}.',
  'part.base_models': 'Base models here: {known}.',
  'part.no_base_models':
    'There are no base models yet: get one with `tunery models pull`, or name a folder with --models-dir.',

  'failure.base_model_missing':
    "The base model '{model}' ({file}) is in no model folder any more. Put it back, or name its folder with --models-dir or TUNERY_MODELS, and create the job again.",
  'failure.base_file_missing':
    "The base model's file {path} is missing. Put it back, or pull or import the model again, and start the job again.",
  'failure.model_missing':
    "The model '{model}' that this job trains further is gone. Create the job again with another model.",
  'failure.invalid_file': 'The job failed due to an invalid {which} file. {problems}',
  'failure.too_few_general_rows':
    'A ratio of {ratio} needs {wanted} general rows for {own} rows of the training file; the general file has {there}. Use a smaller ratio, or a larger general file.',
  'failure.n_examples':
    'Training file has {count} example(s), but must have at least {least} examples',
  'failure.rows_too_long':
    "The {which} file has rows longer than the training context: {list}. Shorten them, raise context_length, or set long_rows to 'cut'.",
  'failure.no_targets':
    'The {which} file has no token to learn from: every assistant message has weight 0 or was cut off.',
  'failure.context_length':
    'context_length is {wanted}, but this model reads at most {most} tokens.',
  'failure.memory_plan':
    'This job needs about {needed} of memory and the machine has {there}. Use a smaller base model, a shorter context_length, a smaller batch_size or shorter rows.',
  'failure.memory':
    'There was not enough memory to train. Choose a smaller batch_size, context_length (now {context}) or rank (now {rank}), or close other programs, and start the job again.',
  'failure.flagged': "{message} Remove or rewrite them, or set tunery.moderation to 'warn'.",
  'failure.diverged':
    'Training diverged: the loss or its gradient was no longer a number at step {step}. Start the job again with a lower learning_rate_multiplier, a tenth for example.',
  'failure.diverged_at_once':
    'The loss was no number at the very first step, before anything was trained: the file of the base model may be damaged. Get it again, and create the job again.',
  'failure.damaged_model': '{remark} Get the file again.',
  'failure.disk_full': 'The disk is full ({reason}). Free some space and create the job again.',
  'failure.disk_full_writing':
    'The disk ran full while {output} was written; nothing was kept. Free some space and try again.',
  'failure.not_writable':
    '{output} cannot be written: no permission, or the disk is read-only. Choose another place.',
  'failure.file_missing': '{path} is missing.',
  'failure.crashed':
    '{crash}. It died {times} times without getting further. If the machine ran out of memory, lower batch_size or context_length, or close other programs; then create the job again.',
  'failure.parity':
    'The model as served differs from the model as trained by {difference} nats per token on average; at most {threshold} is allowed. Its answers would not be those of the trained model, so it was not registered. Train with precision f32, or use a base model file of higher precision.',
  'failure.serving':
    "The trained model could not be loaded for serving ({reason}). See the server's log; the base model file may be damaged or of a kind that llama.cpp cannot load.",
  'failure.internal': "Unexpected error in Tunery: {reason}. The server's log has the details.",

  'refusal.missing': "Missing required parameter: '{param}'.",
  'refusal.invalid_got': "Invalid value for '{param}': {reason}; got {got}.",
  'refusal.invalid': "Invalid value for '{param}': {reason}",
  'refusal.unknown_parameter': "Unknown parameter: '{param}'.",
  'refusal.unsupported': "Unsupported parameter: '{param}' is not supported yet ({hint}).",
  'refusal.misplaced': "it belongs into '{home}'.",
  'refusal.suffix':
    "suffix: '{suffix}' has no letter a–z and no digit, which model names are made of.",
  'refusal.file_not_found': 'No such File object: {id}',
  'refusal.job_not_found': 'Could not find fine tune: {id}',
  'refusal.job_elsewhere': 'Could not find fine tune: {id}. Those with such an id are at {path}',
  'refusal.model_of_job':
    "The model '{id}' does not exist. That is the id of a job; the model that it made is '{model}'",
  'refusal.model_not_found': "The model '{id}' does not exist",
  'refusal.model_not_usable': 'The model `{id}` does not exist or you do not have access to it.',
  'refusal.no_base_model': "The model '{model}' does not exist. {advice}",
  'refusal.training_file': 'invalid training_file: {id}. {reason}',
  'refusal.validation_file': 'invalid validation_file: {id}. {reason}',
  'refusal.general_pair': "'general_file' and 'general_ratio' belong together.",
  'refusal.general_file': 'invalid tunery.general_file: {id}. {reason}',
  'refusal.no_such_file': 'There is no such file; upload one with purpose fine-tune.',
  'refusal.purpose': "Its purpose is '{purpose}'; upload it with purpose fine-tune.",
  'refusal.job_state': "Job {id} is '{status}' and cannot be {verb}.",
  'refusal.job_completed': 'Job has already completed: {id}',
  'refusal.job_failed': 'Job has already failed: {id}',
  'refusal.job_cancelled': 'Job has already been cancelled: {id}',
  'refusal.model_ambiguous': "The model name '{name}' fits several files. Name one of: {known}.",
  'refusal.not_deletable':
    "The base model '{id}' lies outside the data directory ({path}); Tunery deletes only what it imported.",
  'refusal.in_use_by_job': "The model '{id}' is used by the job {users}; cancel it or wait.",
  'refusal.in_use_by_models': "The model '{id}' is used by {users}; delete these first.",
  'refusal.no_source': 'There is no file or folder {path}.',
  'refusal.model_exists':
    "The model '{id}' is imported already; delete it first to import it anew.",
  'refusal.not_a_model': '{path} is neither a GGUF file nor a Hugging Face folder.',
  'refusal.base_missing':
    "The base model '{model}' ({file}) of '{id}' is in no model folder any more. Put it back, or name its folder with --models-dir or TUNERY_MODELS.",
  'refusal.load': 'Cannot load the model {path}: {reason}',
  'refusal.load_unknown':
    'llama.cpp takes no such file ({cause}). It may be damaged, or of an architecture that llama.cpp does not know.',
  'refusal.file_missing': 'The model file {path} is missing. Put it back, or choose another model.',
  'refusal.no_model_folder': '{path} holds no config.json: it is not a Hugging Face model folder.',
  'refusal.nothing_to_export': "'{id}' is a base model and has no adapter to export.",
  'refusal.output_not_empty': "the folder '{output}' is not empty; name another one.",
  'refusal.output_not_writable': "Cannot write to '{output}': {reason}",
  'refusal.worker_crashed':
    '{crash}. Its memory may have run out; close other programs and try again.',
  'refusal.host_crashed':
    'The process that holds the model {how}. The next request starts it again.',
  'refusal.context':
    "This model's maximum context length is {context} tokens. However, your {what} resulted in {tokens} tokens. Please reduce the length of the {what}.",
  'refusal.context_asked':
    "This model's maximum context length is {context} tokens. However, you requested {total} tokens ({prompt} in the {what}, {completion} in the completion). Please reduce the length of the {what} or completion.",
  'refusal.no_key':
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY). Make one on the server's machine with `tunery keys create`.",
  'refusal.wrong_key':
    'Incorrect API key provided: {masked}. {reason}; `tunery keys list` shows those it knows.',
  'refusal.scope':
    'You have insufficient permissions for this operation. Missing scopes: {missing}. This API key has: {held}.',
  'refusal.rate':
    'Rate limit reached for API key {key} in organization {organization} on {unit}: Limit: {limit}. Please try again in {seconds}s.',
  'refusal.quota':
    'You exceeded your current quota: the API key {masked} may use {quota} tokens and has used them. Ask for a key with a larger quota.',
  'refusal.disk_full':
    'The disk of the server is full. Nothing of this request was kept; free some space and try again.',
  'refusal.file_too_large':
    'The file system of the server, or a limit of its user (ulimit -f), allows no file this large. Nothing of this request was kept.',
  'refusal.defect':
    'The server had an error while processing your request. The log has the details.',
  'refusal.too_large': 'Maximum content size limit ({limit}) exceeded ({read} bytes read)',

  // Why a server does not start.
  'start.port_in_use':
    'Port {port} on {host} is in use. Stop the program that has it, or choose another --port.',
  'start.port_forbidden': 'This user may not listen on port {port}. Choose a --port from 1024 on.',
  'start.host_unknown': 'Cannot listen on {host}:{port}: {reason}.',
  'start.directory_in_use':
    'Another Tunery server (process {pid}) uses the data directory {directory}. Stop it, or start this one with another --data-dir.',
  'start.directory_in_use_unknown':
    'Another Tunery server uses the data directory {directory}. Stop it, or start this one with another --data-dir.',
  'start.not_writable':
    'Cannot write to the data directory {directory} ({reason}). Give this user the right to, or choose another --data-dir.',
  'start.no_folder':
    'The data directory {directory} is a file, not a folder. Choose another --data-dir.',
  'start.newer':
    'This data directory was used by a newer Tunery (it has {names}). Start that version, or another data directory.',
  'start.no_key':
    'On the address {host} other machines could use this server, and it has no API key yet. Make one with `npx tunery keys create --data-dir {directory}` and start again; or start with --allow-open (TUNERY_ALLOW_OPEN=1) to let everybody in.',

  // zod's own words, as src/server/errors.ts passes them on.
  'reason.one_of': 'expected {kinds}: {reason}',
  'reason.type': 'invalid input: expected {kind}, received {got}',
  'reason.expected': 'invalid input: expected {kind}',
  'reason.option': 'invalid option: expected one of {options}',
  'reason.too_long': 'too big: expected {kind} to have <={most} {unit}',
  'reason.too_short': 'too small: expected {kind} to have >={least} {unit}',
  'reason.too_big': 'too big: expected {kind} to be {bound}',
  'reason.too_small': 'too small: expected {kind} to be {bound}',
} as const;
