// TensorFlow.js on WebGPU through Dawn's node binding. Tensors are in its own layout, channels last: the host's copies are
// transposed before and after, which is not timed.

import {readFileSync, writeFileSync} from 'node:fs';
import {createInterface} from 'node:readline';

const MAX_REPEATS = 2000;

class Unsupported extends Error {}

// Libraries may print; the host would not understand.
const say = (reply) => process.stdout.write(JSON.stringify(reply) + '\n');
console.log = console.info = console.warn = console.error;

/// Values of a file.
function read(file) {
  const bytes = readFileSync(file.path);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

/// The same values with their axes in another order.
function transpose(values, shape, order) {
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const newShape = order.map((axis) => shape[axis]);
  const newStrides = order.map((axis) => strides[axis]);
  const out = new Float32Array(values.length);
  const at = newShape.map(() => 0);
  let from = 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = values[from];
    for (let axis = newShape.length - 1; axis >= 0; axis--) {
      from += newStrides[axis];
      if (++at[axis] < newShape[axis]) break;
      from -= newStrides[axis] * newShape[axis];
      at[axis] = 0;
    }
  }
  return {values: out, shape: newShape};
}

const inverse = (order) => order.map((_, i) => order.indexOf(i));

class Runner {
  async open() {
    const {create, globals} = await import('webgpu');
    Object.assign(globalThis, globals);
    const gpu = create([]);
    Object.defineProperty(globalThis, 'navigator', {value: {gpu, userAgent: 'node'}, configurable: true, writable: true});
    // The backend asks whether it is in a browser or a worker.
    globalThis.WorkerGlobalScope ??= class {};
    globalThis.self ??= globalThis;
    const adapter = await gpu.requestAdapter({powerPreference: 'high-performance'});
    if (!adapter) throw new Unsupported('Dawn finds no adapter');
    this.adapter = adapter.info;
    // Its core alone has no gradients.
    const tf = await import('@tensorflow/tfjs');
    const webgpu = await import('@tensorflow/tfjs-backend-webgpu');
    // Small tensors would silently be computed on the processor.
    tf.env().set('WEBGPU_CPU_FORWARD', false);
    if (!(await tf.setBackend('webgpu'))) throw new Unsupported('its WebGPU backend does not start');
    await tf.ready();
    this.tf = tf;
    this.version = webgpu.version_webgpu ?? tf.version_core;
    this.forget();
  }

  hello() {
    const {vendor, device, description} = this.adapter;
    return {
      version: this.version,
      device: description || device || vendor,
      driver: 'Dawn',
      precision: 'f32',
      timed: 'N eager calls (and tf.grads with a given gradient), channels last, onSubmittedWorkDone',
    };
  }

  async prepare(request) {
    const {tf} = this;
    const {problem, operation, pass} = request;
    const rank = Number(operation.at(-2));
    const spatial = Array.from({length: rank}, (_, i) => i);
    // N C spatial to N spatial C and back.
    const last = [0, ...spatial.map((i) => i + 2), 1];
    // O I k or I O k to k I O and k O I.
    const kernelLast = [...spatial.map((i) => i + 2), 1, 0];
    this.orders = {input: last, residual: last, grad_output: last, output: last, weight: kernelLast, bias: [0]};
    const call = this.operation(problem, rank, request);
    for (const [name, file] of Object.entries(request.inputs)) {
      const {values, shape} = transpose(read(file), file.shape, this.orders[name]);
      this.tensors[name] = tf.tensor(values, shape, 'float32');
    }
    this.names = Object.keys(this.tensors).filter((name) => name !== 'grad_output');
    this.call = call;
    this.backward = pass === 'forward_backward';
    for (let i = 0; i < 3; i++) {
      this.tf.dispose(this.execute());
      await this.synchronize();
    }
  }

  /// A function of named tensors.
  operation(problem, rank, {inputs, outputs}) {
    const {tf} = this;
    if (problem.flip_kernel || (problem.padding_mode ?? 'zeros') !== 'zeros') {
      throw new Unsupported('flipped kernels, padding with something else than zeros');
    }
    const strided = problem.stride.some((step) => step !== 1);
    const dilated = problem.dilation.some((step) => step !== 1);
    if (strided && dilated) throw new Unsupported('stride and dilation together');
    const [stride, dilation] = [problem.stride, problem.dilation];
    const pad = [[0, 0], ...problem.padding, [0, 0]];
    const padded = problem.padding.flat().some((pixels) => pixels !== 0);
    let core;
    if (problem.op === 'conv' && rank === 2 && problem.groups === 1) {
      core = (t) => tf.conv2d(t.input, t.weight, stride, pad, 'NHWC', dilation);
    } else if (problem.op === 'conv' && rank === 2 && problem.groups === problem.c_in) {
      if (problem.c_out !== problem.c_in) throw new Unsupported('more than one output of a channel');
      // k I O with one input channel is what it calls k C multiplier, the other way round.
      this.orders.weight = [2, 3, 0, 1];
      core = (t) => tf.depthwiseConv2d(t.input, t.weight, stride, pad, 'NHWC', dilation);
    } else if (problem.op === 'conv' && rank === 1 && problem.groups === 1 && !padded) {
      core = (t) => tf.conv1d(t.input, t.weight, stride[0], 'valid', 'NWC', dilation[0]);
    } else if (problem.op === 'conv_transpose' && rank === 2 && problem.groups === 1 && !dilated) {
      const shape = outputs.output.shape;
      const nhwc = [shape[0], shape[2], shape[3], shape[1]];
      core = (t) => tf.conv2dTranspose(t.input, t.weight, nhwc, stride, pad);
    } else if (problem.op === 'pool' && rank === 2 && !problem.ceil_mode && !dilated) {
      const {max, average} = problem.mode;
      if (max && max.pad_value === null && !max.indices) {
        core = (t) => tf.maxPool(t.input, problem.kernel, stride, pad);
      } else if (average && average.divisor_override === null && !(average.count_include_pad && padded)) {
        core = (t) => tf.avgPool(t.input, problem.kernel, stride, pad);
      }
    }
    if (!core) throw new Unsupported('no counterpart of the operation with these attributes');
    const activation = problem.epilogue?.activation ?? 'identity';
    if (!['identity', 'relu', 'relu6'].includes(activation)) throw new Unsupported('activation');
    return (t) => {
      let output = core(t);
      if (inputs.bias) output = tf.add(output, t.bias);
      if (inputs.residual) output = tf.add(output, t.residual);
      return activation === 'identity' ? output : tf[activation](output);
    };
  }

  /// One execution: tensors by name.
  execute() {
    const {tf, tensors, names, call} = this;
    return tf.tidy(() => {
      const output = call(tensors);
      if (!this.backward) return {output};
      const named = (list) => Object.fromEntries(names.map((name, i) => [name, list[i]]));
      const gradients = tf.grads((...list) => call(named(list)))(names.map((name) => tensors[name]), tensors.grad_output);
      const result = {};
      names.forEach((name, i) => (result[`grad_${name}`] = gradients[i]));
      // grads computes the output once more for itself; ours is not needed then.
      result.output = output;
      return result;
    });
  }

  /// Likewise without an output of its own: grads has computed one.
  executeTimed() {
    const {tf, tensors, names, call} = this;
    if (!this.backward) return tf.dispose(call(tensors));
    tf.tidy(() => {
      const named = (list) => Object.fromEntries(names.map((name, i) => [name, list[i]]));
      tf.grads((...list) => call(named(list)))(names.map((name) => tensors[name]), tensors.grad_output);
    });
  }

  async synchronize() {
    const backend = this.tf.backend();
    // It submits by itself after some dispatches; this is for the rest.
    if (backend.commandEncoder) {
      backend.endComputePassEncoder();
      backend.submitQueue();
    }
    await backend.queue.onSubmittedWorkDone();
  }

  async batch(repeats) {
    await this.synchronize();
    const start = performance.now();
    for (let i = 0; i < repeats; i++) this.tf.tidy(() => this.executeTimed());
    await this.synchronize();
    return performance.now() - start;
  }

  async run(outputs) {
    const result = this.execute();
    for (const [name, tensor] of Object.entries(result)) {
      const file = outputs[name];
      if (!file) continue;
      const order = this.orders[name.replace('grad_', '')];
      const {values} = transpose(await tensor.data(), tensor.shape, inverse(order));
      writeFileSync(file.path, new Uint8Array(values.buffer));
    }
    this.tf.dispose(result);
  }

  forget() {
    this.tf.dispose(this.tensors ?? {});
    this.tensors = {};
    this.call = undefined;
  }
}

const runner = new Runner();
let outputs, repeats;

async function calibrate(minMs) {
  let count = 1;
  for (;;) {
    // The better of two: something else may have run meanwhile.
    const ms = Math.min(await runner.batch(count), await runner.batch(count));
    if (ms >= minMs || count >= MAX_REPEATS) return count;
    const wanted = Math.ceil((1.2 * count * minMs) / Math.max(ms, 1e-6));
    count = Math.min(Math.max(wanted, count + 1), 10 * count, MAX_REPEATS);
  }
}

async function answer(request) {
  switch (request.method) {
    case 'hello':
      await runner.open();
      return {reply: 'hello', ...runner.hello()};
    case 'prepare':
      runner.forget();
      repeats = undefined;
      await runner.prepare(request);
      outputs = request.outputs;
      return {reply: 'ready'};
    case 'run':
      await runner.run(outputs);
      return {reply: 'done'};
    case 'time': {
      repeats ??= await calibrate(request.min_ms);
      // Clocks and caches settle: others ran since.
      await runner.batch(repeats);
      const ms = [];
      for (let i = 0; i < request.batches; i++) ms.push((await runner.batch(repeats)) / repeats);
      return {reply: 'times', ms, repeats};
    }
    case 'drop':
      runner.forget();
      return {reply: 'done'};
    default:
      throw new Error(`method ${request.method}`);
  }
}

for await (const line of createInterface({input: process.stdin})) {
  try {
    say(await answer(JSON.parse(line)));
  } catch (error) {
    console.error(error);
    const text = String(error?.message ?? error).split(/\s+/).join(' ').slice(0, 300);
    say(error instanceof Unsupported ? {reply: 'unsupported', reason: text} : {reply: 'error', message: text});
  }
}
// Dawn keeps the process alive.
process.exit(0);
