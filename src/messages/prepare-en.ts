// What `tunery data prepare` says. Questions and their order are those of the command that it succeeds,
// `openai tools fine_tunes.prepare_data` of openai-python 0.28; tests compare them.
export const prepareEn = {
  'cli.data.prepare': 'turn a table or a messy file into rows that can be trained on',
  'cli.tools': 'the tools of the legacy command line',
  'cli.tools.prepare': 'the same as openai tools fine_tunes.prepare_data',
  'arg.prepare_file': 'file, folder or - for standard input; several are joined',
  'arg.prepare_legacy_file': 'CSV, TSV, XLSX, TXT, JSON, JSONL or Parquet file, folder, or -',
  'arg.quiet': 'accept every suggestion without asking',
  'arg.fix':
    'apply the repairs named in the messages; rows that cannot be read are set aside in a file',
  'arg.encoding': 'encoding of the input; detected otherwise',
  'arg.sheet': 'name or number of a workbook’s sheet',
  'arg.input_format': 'format of the input; detected otherwise',
  'arg.prompt_column': 'column with the prompts',
  'arg.completion_column': 'column with the completions',
  'arg.prompt_template': 'prompt made of columns, such as {example}',
  'arg.completion_template': 'completion made of columns, such as {example}',
  'arg.map': 'file with a saved mapping of columns',
  'arg.save_map': 'save the mapping of columns to this file',
  'arg.prepare_to': 'form of the rows that are written; otherwise as the input suggests',
  'arg.prepare_system': 'system message for every row (with --to chat)',
  'arg.where': 'keep only rows such as language=en or stars!=3',
  'arg.sample': 'draw this many rows by chance',
  'arg.prepare_seed': 'seed of sampling and splitting',
  'arg.prepare_name': 'what replaces <NAME> in the rows',
  'arg.prepare_author': 'what replaces <AUTHOR> in the rows',
  'arg.dataset': 'name of a set in a dataset_info.json',
  'arg.prepare_output': 'name of the written file; _prepared.jsonl and so on is appended',

  'prepare.analyzing': 'Analyzing...',
  'prepare.format': 'Based on your file extension, your file is formatted as a {format} file',
  'prepare.format_excel': 'Based on your file extension, your file is formatted as an Excel file',
  'prepare.format_text': 'Based on your file extension, you provided a text file',
  'prepare.format_json_lines':
    'Your JSON file appears to be in a JSONL format. Your file will be converted to JSONL format',
  'prepare.format_lines_json':
    'Your JSONL file appears to be in a JSON format. Your file will be converted to JSONL format',
  'prepare.format_json':
    'Your file is in a JSON format. Your file will be converted to JSONL format',
  'prepare.format_found': 'Your file was recognized as {format}',
  'prepare.files': 'Reading {count} files, from `{first}` to `{last}`',
  'prepare.sheets':
    'Your Excel file contains more than one sheet. Please either save as csv or ensure all data is present in the first sheet. WARNING: Reading only the sheet `{sheet}`; --sheet reads another: {sheets}',
  'prepare.encoding': 'Your file is {label} text (detected; --encoding overrides it)',
  'prepare.encoding_given': 'Your file is read as {label} text, as given by --encoding',
  'prepare.encoding_mixed': 'Your file is UTF-8 text with lines in GBK',
  'prepare.encoding_guess':
    'Your file is neither UTF-8 nor GBK text; read as {label}, a guess: look at the rows, and give --encoding if they are wrong',
  'prepare.convert': 'Your format `{format}` will be converted to `JSONL`',
  'prepare.convert_encoding': 'Your file will be written as UTF-8',
  'prepare.one_file': 'Your rows will be written to one JSONL file',
  'prepare.convert_columns': 'The columns will be written as `prompt` and `completion`',
  'prepare.convert_text': 'Values that are no text will be written as text',
  'prepare.repairs': 'Repair {count} places: {what}',
  'prepare.aside': 'Set aside {count} rows that cannot be read',
  'prepare.problem': '{place}: {what}. {fix}',
  'prepare.place_line': '{file}, line {line}',
  'prepare.place_column': '{place}, column "{column}"',
  'prepare.more': '… and {count} more of this kind',
  'prepare.has_problems':
    'The file has {count} problems, listed above. Nothing was written. Correct them, or let --fix repair them ({repairable}) and set the other rows aside ({aside}).',

  'prepare.num_examples': 'Your file contains {count} prompt-completion pairs',
  'prepare.num_examples_few':
    'Your file contains {count} prompt-completion pairs. In general, we recommend having at least a few hundred examples. We’ve found that performance tends to linearly increase for every doubling of the number of examples',
  'prepare.num_rows': 'Your file contains {count} rows',
  'prepare.num_rows_few':
    'Your file contains {count} rows. Ten are the least that can be trained; a few hundred are a good start, and every doubling helps about as much as the one before',
  'prepare.column_case': 'The `{column}` column/key should be lowercase',
  'prepare.column_case.do': 'Lower case column name to `{column}`',
  'prepare.column_missing':
    '`{column}` column/key is missing. Please make sure you name your columns/keys appropriately, then retry. Columns/keys present are: {columns}',
  'prepare.columns_more':
    'The input file should contain exactly two columns/keys per row. Additional columns/keys present are: {columns}',
  'prepare.columns_similar':
    '  WARNING: Some of the additional columns/keys contain `{column}` in their name. These will be ignored, and the column/key `{column}` will be used instead. This could also result from a duplicate column/key in the provided file.',
  'prepare.columns_more.do': 'Remove additional columns/keys: {columns}',
  'prepare.empty': '`{column}` column/key should not contain empty strings. These are rows: {rows}',
  'prepare.empty.do': 'Remove {count} rows with empty {column}s',
  'prepare.classification':
    'Based on your data it seems like you’re trying to fine-tune a model for classification\n- For classification, we recommend you try one of the smaller base models, which are faster\n- For classification, you can estimate the expected model performance by keeping a held out dataset, which is not used for training',
  'prepare.duplicates':
    'There are {count} duplicated prompt-completion sets. These are rows: {rows}',
  'prepare.duplicates.do': 'Remove {count} duplicate rows',
  'prepare.long':
    'There are {count} examples that are very long. These are rows: {rows}\nFor conditional generation, and for classification the examples shouldn’t be longer than the model’s context. `tunery data check` counts their tokens.',
  'prepare.long.do': 'Remove {count} long examples',
  'prepare.upper':
    'More than a third of your `{column}` column/key is uppercase. Uppercase {column}s tends to perform worse than a mixture of case encountered in normal language. We recommend to lower case the data if that makes sense in your domain.',
  'prepare.upper.do': 'Lowercase all your data in column/key `{column}`',
  'prepare.prompts_same':
    'All prompts are identical: `{text}`\nConsider leaving the prompts blank if you want to do open-ended generation, otherwise ensure prompts are different',
  'prepare.prompt_suffix': 'All prompts end with suffix `{suffix}`',
  'prepare.prompt_suffix_long':
    'All prompts end with suffix `{suffix}`. This suffix seems very long. Consider replacing with a shorter suffix, such as `{better}`',
  'prepare.prompt_suffix_twice':
    '  WARNING: Some of your prompts contain the suffix `{suffix}` more than once. We strongly suggest that you review your prompts and add a unique suffix. These are rows: {rows}',
  'prepare.prompt_suffix_none':
    'Your data does not contain a common separator at the end of your prompts. Having a separator string appended to the end of the prompt makes it clearer to the fine-tuned model where the completion should begin. If you intend to do open-ended generation, then you should leave the prompts empty',
  'prepare.prompt_suffix_some':
    'Most of your prompts end with the separator `{suffix}`, but {count} do not. These are rows: {rows}',
  'prepare.prompt_suffix.do': 'Add a suffix separator `{suffix}` to all prompts',
  'prepare.prompt_suffix_some.do':
    'Add the suffix separator `{suffix}` to the {count} prompts that lack it',
  'prepare.prompt_prefix': 'All prompts start with prefix `{prefix}`',
  'prepare.prompt_prefix_long':
    'All prompts start with prefix `{prefix}`. Fine-tuning doesn’t require the instruction specifying the task, or a few-shot example scenario. Most of the time you should only add the input data into the prompt, and the desired output into the completion. Without it every request is {count} characters shorter',
  'prepare.prompt_prefix.do': 'Remove prefix `{prefix}` from all prompts',
  'prepare.completion_prefix':
    'All completions start with prefix `{prefix}`. Most of the time you should only add the output data into the completion, without any prefix',
  'prepare.completion_prefix.do': 'Remove prefix `{prefix}` from all completions',
  'prepare.completions_same':
    'All completions are identical: `{text}`\nEnsure completions are different, otherwise the model will just repeat `{text}`',
  'prepare.completion_suffix': 'All completions end with suffix `{suffix}`',
  'prepare.completion_suffix_long':
    'All completions end with suffix `{suffix}`. This suffix seems very long. Consider replacing with a shorter suffix, such as `{better}`',
  'prepare.completion_suffix_twice':
    '  WARNING: Some of your completions contain the suffix `{suffix}` more than once. We suggest that you review your completions and add a unique ending. These are rows: {rows}',
  'prepare.completion_suffix_none':
    'Your data does not contain a common ending at the end of your completions. Having a common ending string appended to the end of the completion makes it clearer to the fine-tuned model where the completion should end.',
  'prepare.completion_suffix.do': 'Add a suffix ending `{suffix}` to all completions',
  'prepare.space':
    'The completion should start with a whitespace character (` `). This tends to produce better results due to the tokenization we use.',
  'prepare.space.do': 'Add a whitespace character to the beginning of the completion',
  'prepare.spaces': 'Some completions start with more than one space. These are rows: {rows}',
  'prepare.spaces.do': 'Leave one space at the beginning of the completion',
  'prepare.nbsp':
    'Your texts contain {count} no-break spaces (U+00A0), as web pages put them. These are rows: {rows}',
  'prepare.nbsp.do': 'Replace the {count} no-break spaces in the texts by ordinary ones',
  'prepare.replaced': 'Filled in {count} places where a name or an author was left open',
  'prepare.filtered': '{kept} of {all} rows meet the condition {where}',
  'prepare.sampled': '{kept} of {all} rows were drawn by chance (seed {seed})',

  'prepare.actions': 'Based on the analysis we will perform the following actions:',
  'prepare.nothing': 'No remediations found.',
  'prepare.necessary': '- [Necessary] {what}',
  'prepare.recommended': '- [Recommended] {what} [Y/n]: ',
  'prepare.split':
    '- [Recommended] Would you like to split into training and validation set? [Y/n]: ',
  'prepare.proceed': 'Your data will be written to a new JSONL file. Proceed [Y/n]: ',
  'prepare.aborted': 'Aborting... did not write the file',
  'prepare.error': 'ERROR in {check} validator: {message}\n\nAborting...',
  'prepare.usable': 'You can use your file for fine-tuning:',
  'prepare.wrote': 'Wrote modified file to `{path}`',
  'prepare.wrote_two': 'Wrote modified files to `{train}` and `{valid}`',
  'prepare.wrote_aside': 'Wrote what could not be read to `{path}`',
  'prepare.wrote_map': 'Wrote the mapping of columns to `{path}`',
  'prepare.look': 'Feel free to take a look!',
  'prepare.changed': 'Rows: {read} read, {written} written, {changed} of them changed.',
  'prepare.use': 'Now use that file when fine-tuning:',
  'prepare.separator':
    'After you’ve fine-tuned a model, remember that your prompt has to end with the indicator string `{suffix}` for the model to start generating completions, rather than continuing with the prompt.',
  'prepare.stop':
    ' Make sure to include `stop=["{suffix}"]` so that the generated texts ends at the expected place.',
  'prepare.check_next': 'To see tokens, time and memory on this machine: {command}',

  'prepare.map_title': 'Prompt and completion are taken from these columns:',
  'prepare.map_row': '  row {row}',
  'prepare.map_prompt': '    prompt      {text}',
  'prepare.map_completion': '    completion  {text}',
  'prepare.no_header':
    '  WARNING: the first line looks like a row, not like a header: `{cell}` stands among the values too. Write a line such as prompt,completion above it',
  'prepare.map_from': '  {part} from {source}',
  'prepare.map_ask': '- Is that right? [Y/n]: ',
  'prepare.map_prompt_ask': '- Column of the prompts ({columns}): ',
  'prepare.map_completion_ask': '- Column of the completions ({columns}): ',
  'prepare.map_unsure':
    'It is not clear which columns hold prompt and completion: {columns}. Give --prompt-column and --completion-column, or --map',
  'prepare.message_key':
    "The rows have the key 'message'; conversations need the key 'messages' with a list of messages, each with role and content",
  'prepare.map_refused': 'The mapping was not confirmed; nothing was written',
  'prepare.no_column': 'There is no column "{column}"; columns: {columns}',
  'prepare.bad_map':
    '{path} is no mapping: {reason}. It holds a JSON object with the templates prompt and completion',
  'prepare.bad_where': '--where must be COLUMN=VALUE or COLUMN!=VALUE, got "{value}"',
  'prepare.placeholders':
    '{count} rows contain {names}. Give {flags}, so that the model learns what it is called',
  'prepare.not_text': 'The column "{column}" holds {got} where text is needed (row {row})',
  'prepare.header_only': 'The file holds no rows',
  'prepare.no_rows': 'No rows are left to write',
  'prepare.few_answers':
    'The answers ended before the questions did: give -q to accept all suggestions, or answer each with y or n',
  'prepare.stdin_questions':
    'Standard input is the data, so questions cannot be answered there: give -q to accept all suggestions',
  'prepare.interrupted': 'Interrupted; nothing was written',
  'prepare.either': 'Give {a} or {b}, not both',
  'prepare.system_needs_chat': '--system needs --to chat: a completion has no system message',
  'prepare.form': 'Your rows are in the form {form}; they will be written in the form {target}',
  'prepare.lost': 'Not taken along, in {count} rows: {text}',
  'prepare.convert_form': 'Your rows will be written in the form {target}',
  'prepare.empty_answers': 'Answers should not be empty. These are rows: {rows}',
  'prepare.empty_answers.do': 'Remove {count} rows with empty answers',
  'prepare.dataset_alone': 'A set of a dataset_info.json is prepared alone: name no other file',
} as const;
