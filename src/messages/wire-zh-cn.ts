// What wire-en.ts says, in Simplified Chinese.
import type { wireEn } from './wire-en.ts';

export const wireZhCN: Record<keyof typeof wireEn, string> = {
  'event.created': '已创建微调任务：{id}',
  'event.validating': '正在校验训练文件：{training}',
  'event.validating_both': '正在校验训练文件 {training} 与验证文件 {validation}',
  'event.plan':
    '计划：训练 {train} 行，验证 {valid} 行，每轮 {tokens} 个 token；{epochs} 轮、批大小 {batch}，共 {steps} 步；学习率 {rate}（倍数 {multiplier}）；预计 {seconds} 秒、内存 {memory} MiB',
  'event.validated': '文件校验完毕，任务进入排队状态',
  'event.waiting_one': '等待中：前面还有 1 个任务',
  'event.waiting': '等待中：前面还有 {ahead} 个任务',
  'event.started': '微调任务已开始',
  'event.mixed': '已混入 {general} 行通用数据与 {own} 行训练数据：1:{drawn}，要求 {ratio}',
  'event.order': '第 {epoch}/{epochs} 轮：行的顺序为 {list}（整体摘要：{digest}）',
  'event.engine': '引擎就绪，用时 {seconds} 秒：{precision}，{threads} 个线程。',
  'event.before': '训练前：{list}',
  'event.step': '第 {step}/{total} 步：{list}',
  'event.train_loss': '训练损失={loss}',
  'event.valid_loss': '验证损失={loss}',
  'event.full_valid_loss': '全部验证行损失={loss}',
  'event.checkpoint': '已在第 {step} 步保存检查点：{model}',
  'event.cut':
    '{rows} 行超过训练上下文长度（{context} 个 token），已从末尾截断，共丢失 {lost} 个 token：{list}',
  'event.cut_row': '{file} 第 {line} 行（{tokens} 个 token，丢失 {lost} 个）',
  'event.paused': '微调任务已暂停',
  'event.resumed': '微调任务已继续，进入排队状态',
  'event.resumed_validating': '微调任务已继续，重新校验文件',
  'event.cancelled': '微调任务已取消',
  'event.failed': '任务失败：{message}',
  'event.model': '新的微调模型：{model}',
  'event.succeeded': '任务已成功完成',
  'event.again': '{crash}。将从最近的检查点重新开始。',
  'event.remark': '{which}文件：{remark}',
  'event.remarks': '{which}文件还有：{codes}。运行 `tunery data check` 可看到逐项说明。',
  'event.no_template': '基础模型没有对话模板，使用内置模板。',
  'event.unused': '{which}文件中的 {keys} 不起作用：模型的对话模板不输出它们。',
  'event.nothing_to_learn':
    '{which}文件中有 {rows} 行没有可学习的内容（权重为 0，或全部被截断），已略去：{list}。',
  'event.little_memory':
    '该任务约需 {needed} 内存，目前空闲 {free}。请换用更小的基础模型、更短的 context_length、更小的 batch_size 或更短的行，或者关闭其他程序。',
  'event.flagged': '内容审核标记了{which}文件中的 {rows} 行：{list}。',
  'event.keeps_adapter': '继续训练的模型保留其适配器：{adapter}。',

  'part.line': '第 {line} 行',
  'part.line_tokens': '第 {line} 行（{tokens} 个 token）',
  'part.line_what': '第 {line} 行（{what}）',
  'part.finding': '{remark}。{advice} [{code}]',
  'part.finding_line': '{remark}（第 {lines} 行）。{advice} [{code}]',
  'part.finding_more': '{remark}（第 {lines} 行等，另有 {count} 行）。{advice} [{code}]',
  'part.finding_lines': '{remark}（第 {lines} 行）。{advice} [{code}]',
  'part.and_more': '{first}，另有 {count} 处',
  'part.training': '训练',
  'part.validation': '验证',
  'part.general': '通用',
  'part.process': '{kind} 进程{how}',
  'part.killed': '被 {signal} 终止',
  'part.exited': '以代码 {code} 退出',
  'part.last_output': '{how}；其最后输出：{output}',
  'part.problem': '文件格式无效。第 {example} 个样本（第 {line} 行）：{remark}。{advice}',
  'part.key_unknown': '本服务器没有这个密钥',
  'part.key_revoked': '该密钥已停用',
  'part.key_expired': '该密钥已过有效期',
  'part.number': '数字',
  'part.int': '整数',
  'part.string': '文字',
  'part.array': '列表',
  'part.characters': '个字符',
  'part.items': '项',
  'part.truncated_tensor':
    '{path} 不完整：张量“{tensor}”应到第 {end} 字节为止，而文件只有 {size} 字节。',
  'part.truncated': '{path} 不完整：第 {at} 字节处应有 {count} 字节，而文件只有 {size} 字节。',
  'part.base_models': '现有基础模型：{known}。',
  'part.no_base_models':
    '还没有基础模型：用 `tunery models pull` 取一个，或用 --models-dir 指定文件夹。',

  'failure.base_model_missing':
    '所有模型文件夹中都已没有基础模型“{model}”（{file}）。请把它放回，或用 --models-dir 或 TUNERY_MODELS 指定其文件夹，然后重新创建任务。',
  'failure.base_file_missing':
    '基础模型文件 {path} 不见了。请把它放回，或重新获取、导入该模型，然后重新创建任务。',
  'failure.model_missing': '该任务要继续训练的模型“{model}”已不存在。请换一个模型重新创建任务。',
  'failure.invalid_file': '{which}文件无效，任务失败。{problems}',
  'failure.too_few_general_rows':
    '按 {ratio} 的比例，{own} 行训练数据需要 {wanted} 行通用数据，而通用文件只有 {there} 行。请调小比例或补充通用数据。',
  'failure.n_examples': '训练文件有 {count} 个样本，至少需要 {least} 个',
  'failure.rows_too_long':
    '{which}文件中有行超过训练上下文长度：{list}。请缩短它们、增大 context_length，或把 long_rows 设为 cut。',
  'failure.no_targets':
    '{which}文件没有可学习的 token：所有 assistant 消息的权重都为 0，或都被截断。',
  'failure.context_length': 'context_length 为 {wanted}，但该模型最多读取 {most} 个 token。',
  'failure.memory_plan':
    '该任务约需 {needed} 内存，而本机只有 {there}。请换用更小的基础模型、更短的 context_length、更小的 batch_size 或更短的行。',
  'failure.memory':
    '内存不足，无法训练。请减小 batch_size、context_length（现为 {context}）或 rank（现为 {rank}），或关闭其他程序，然后重新创建任务。',
  'failure.flagged': '{message}请删除或改写这些行，或把 tunery.moderation 设为 warn。',
  'failure.diverged':
    '训练发散：第 {step} 步的损失或梯度不再是数。请用更小的 learning_rate_multiplier（例如十分之一）重新创建任务。',
  'failure.diverged_at_once':
    '第一步、尚未训练时损失就不是数：基础模型文件可能已损坏。请重新获取该文件，然后重新创建任务。',
  'failure.damaged_model': '{remark}请重新获取该文件。',
  'failure.disk_full': '磁盘已满（{reason}）。请腾出空间，然后重新创建任务。',
  'failure.disk_full_writing': '写入 {output} 时磁盘已满，没有保留任何内容。请腾出空间后再试。',
  'failure.not_writable': '无法写入 {output}：没有权限，或磁盘只读。请换一个位置。',
  'failure.file_missing': '{path} 不见了。',
  'failure.crashed':
    '{crash}。它连续 {times} 次毫无进展地终止。如果是内存不足，请减小 batch_size 或 context_length，或关闭其他程序，然后重新创建任务。',
  'failure.parity':
    '对外服务的模型与训练所得的模型平均每个 token 相差 {difference} 奈特，最多允许 {threshold}。它的回答将不是训练所得模型的回答，因此没有登记。请用 precision f32 训练，或使用精度更高的基础模型文件。',
  'failure.serving':
    '训练好的模型无法加载（{reason}）。请查看服务器日志；基础模型文件可能已损坏，或 llama.cpp 不支持。',
  'failure.internal': 'Tunery 内部出现意外错误：{reason}。详情见服务器日志。',

  'refusal.missing': '缺少必填参数 {param}。',
  'refusal.invalid_got': '参数 {param} 的值无效：{reason}；实际为 {got}。',
  'refusal.invalid': '参数 {param} 的值无效：{reason}',
  'refusal.unknown_parameter': '没有参数 {param}。',
  'refusal.unsupported': '暂不支持参数 {param}（{hint}）。',
  'refusal.misplaced': '它应放在 {home} 中。',
  'refusal.suffix': 'suffix“{suffix}”不含字母 a–z 或数字，而模型名由它们组成。',
  'refusal.file_not_found': '没有该文件：{id}',
  'refusal.job_not_found': '没有该微调任务：{id}',
  'refusal.job_elsewhere': '没有该微调任务：{id}。这种 id 的任务位于 {path}',
  'refusal.model_of_job': '模型“{id}”不存在。这是一个作业的 id，它产生的模型是“{model}”',
  'refusal.model_not_found': '没有模型“{id}”',
  'refusal.model_not_usable': '没有模型“{id}”，或你无权使用它。',
  'refusal.no_base_model': '没有模型“{model}”。{advice}',
  'refusal.training_file': '训练文件无效：{id}。{reason}',
  'refusal.validation_file': '验证文件无效：{id}。{reason}',
  'refusal.general_pair': 'general_file 与 general_ratio 必须同时给出。',
  'refusal.general_file': 'tunery.general_file 无效：{id}。{reason}',
  'refusal.no_such_file': '没有该文件；请以用途 fine-tune 上传。',
  'refusal.purpose': '它的用途是“{purpose}”；请以用途 fine-tune 上传。',
  'refusal.job_state': '任务 {id} 处于 {status} 状态，不能执行此操作（{verb}）。',
  'refusal.job_completed': '任务已经完成：{id}',
  'refusal.job_failed': '任务已经失败：{id}',
  'refusal.job_cancelled': '任务已经取消：{id}',
  'refusal.model_ambiguous': '模型名“{name}”对应多个文件，请指明其一：{known}。',
  'refusal.not_deletable': '基础模型“{id}”在数据目录之外（{path}）；Tunery 只删除由它导入的模型。',
  'refusal.in_use_by_job': '模型“{id}”正被任务 {users} 使用；请取消任务或等待其结束。',
  'refusal.in_use_by_models': '模型“{id}”正被 {users} 使用；请先删除它们。',
  'refusal.no_source': '没有文件或文件夹 {path}。',
  'refusal.model_exists': '模型“{id}”已经导入；要重新导入，请先删除它。',
  'refusal.not_a_model': '{path} 既不是 GGUF 文件，也不是 Hugging Face 文件夹。',
  'refusal.base_missing':
    '所有模型文件夹中都已没有“{id}”的基础模型“{model}”（{file}）。请把它放回，或用 --models-dir 或 TUNERY_MODELS 指定其文件夹。',
  'refusal.load': '无法加载模型 {path}：{reason}',
  'refusal.load_unknown':
    'llama.cpp 无法读取该文件（{cause}）。它可能已损坏，或其架构不受 llama.cpp 支持。',
  'refusal.file_missing': '模型文件 {path} 不见了。请把它放回，或换一个模型。',
  'refusal.no_model_folder': '{path} 中没有 config.json：它不是 Hugging Face 模型文件夹。',
  'refusal.nothing_to_export': '“{id}”是基础模型，没有可导出的适配器。',
  'refusal.output_not_empty': '文件夹“{output}”不是空的；请换一个。',
  'refusal.output_not_writable': '无法写入“{output}”：{reason}',
  'refusal.worker_crashed': '{crash}。可能是内存不足；请关闭其他程序后再试。',
  'refusal.host_crashed': '承载模型的进程{how}。下一个请求会重新启动它。',
  'refusal.context':
    '该模型的上下文最长 {context} 个 token，而你的 {what} 有 {tokens} 个 token。请缩短 {what}。',
  'refusal.context_asked':
    '该模型的上下文最长 {context} 个 token，而你要求 {total} 个（{what} 占 {prompt} 个，回答占 {completion} 个）。请缩短 {what} 或回答。',
  'refusal.no_key':
    '请求没有带 API 密钥。请在 Authorization 头中以 Bearer 方式给出（Authorization: Bearer 你的密钥）。在服务器所在机器上用 `tunery keys create` 创建。',
  'refusal.wrong_key': 'API 密钥不正确：{masked}。{reason}；`tunery keys list` 可列出已有密钥。',
  'refusal.scope': '权限不足，无法执行该操作。缺少：{missing}。该密钥拥有：{held}。',
  'refusal.rate':
    '组织 {organization} 的密钥 {key} 已达到速率上限（{unit}：{limit}）。请在 {seconds} 秒后再试。',
  'refusal.quota':
    '已超出配额：密钥 {masked} 最多可用 {quota} 个 token，现已用完。请申请配额更大的密钥。',
  'refusal.disk_full': '服务器磁盘已满。该请求没有留下任何内容；请腾出空间后再试。',
  'refusal.file_too_large':
    '服务器的文件系统或其用户的限制（ulimit -f）不允许这么大的文件。该请求没有留下任何内容。',
  'refusal.defect': '服务器处理请求时出错，详情见日志。',
  'refusal.too_large': '内容超过大小上限 {limit} 字节（已读 {read} 字节）',

  'start.port_in_use': '{host} 的端口 {port} 已被占用。请停止占用它的程序，或换一个 --port。',
  'start.port_forbidden': '当前用户不能监听端口 {port}。请选择 1024 及以上的 --port。',
  'start.host_unknown': '无法监听 {host}:{port}：{reason}。',
  'start.directory_in_use':
    '另一个 Tunery 服务器（进程 {pid}）正在使用数据目录 {directory}。请停止它，或换一个 --data-dir。',
  'start.directory_in_use_unknown':
    '另一个 Tunery 服务器正在使用数据目录 {directory}。请停止它，或换一个 --data-dir。',
  'start.not_writable':
    '无法写入数据目录 {directory}（{reason}）。请给当前用户写权限，或换一个 --data-dir。',
  'start.no_folder': '数据目录 {directory} 是一个文件，不是文件夹。请换一个 --data-dir。',
  'start.newer':
    '该数据目录由更新版本的 Tunery 使用过（含有 {names}）。请启动那个版本，或换一个数据目录。',
  'start.no_key':
    '监听地址 {host} 会让其他机器也能使用本服务器，而它还没有 API 密钥。请先用 `npx tunery keys create --data-dir {directory}` 创建密钥再启动；或加上 --allow-open（TUNERY_ALLOW_OPEN=1）对所有人开放。',

  'reason.one_of': '应为 {kinds}：{reason}',
  'reason.type': '应为{kind}，收到 {got}',
  'reason.expected': '应为{kind}',
  'reason.option': '应为 {options} 之一',
  'reason.too_long': '{kind}过长，应 <={most} {unit}',
  'reason.too_short': '{kind}过短，应 >={least} {unit}',
  'reason.too_big': '{kind}过大，应 {bound}',
  'reason.too_small': '{kind}过小，应 {bound}',
};
