"""ONNX Runtime. Argument: cpu or webgpu.

On the processor a batch is N calls on bound tensors. On WebGPU the Python package has no tensors on the device: every
call uploads and downloads. So there a batch is one graph of N copies of the operator on one input, of whose outputs one
element each is downloaded; from its time that of a graph without the operator is taken away.
"""

import argparse
import platform
import time

import common
import numpy as np

# Newer pools and transposed convolutions are not on WebGPU yet.
OPSET = 21


class OnnxRuntime(common.Runner):
    def __init__(self, provider):
        import onnx
        import onnxruntime

        self.onnx, self.ort, self.webgpu = onnx, onnxruntime, provider == "webgpu"
        if self.webgpu:
            # Each copy has weights and a shader of its own.
            self.max_repeats = 60
        self.forget()

    def hello(self, threads):
        self.threads = threads
        device = "WebGPU through Dawn, on Vulkan's first device" if self.webgpu else f"{platform.machine()} processor"
        timed = "N calls of run_with_iobinding on bound tensors, weights constant"
        if self.webgpu:
            timed = "a graph of N copies of the operator, minus one without it, weights constant"
        return {
            "version": self.ort.__version__,
            "device": f"{device}, {threads} threads",
            "precision": "f32",
            "timed": timed,
        }

    def prepare(self, case):
        if case["pass"] != "forward":
            raise common.Unsupported("inference only")
        self.case = case
        self.once = self.session(None)
        if not self.webgpu:
            self.result = self.ort.OrtValue.ortvalue_from_shape_and_type(
                case["outputs"]["output"]["shape"], np.float32, "cpu", 0
            )
            self.once[1].bind_ortvalue_output("output", self.result)
        for _ in range(3):
            self.execute()

    def session(self, copies):
        """A session with its binding, for a graph with that many copies, or for the operator alone."""
        model, names = self.model(copies)
        ort = self.ort
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        provider, more = "CPUExecutionProvider", {}
        if self.webgpu:
            provider = "WebGpuExecutionProvider"
            # It would silently time the processor.
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
            # The copies are to stay what they are.
            more = {"disabled_optimizers": ["CommonSubexpressionElimination"]}
        try:
            session = ort.InferenceSession(model.SerializeToString(), options, providers=[provider], **more)
        except Exception as error:
            text = " ".join(str(error).split())
            if any(word in text for word in ("NOT_IMPLEMENTED", "Could not find an implementation", "fallback")):
                raise common.Unsupported(f"{provider} has no such operator or not with these attributes") from error
            raise
        if session.get_providers()[0] != provider:
            raise common.Unsupported(f"{provider} is not usable here")
        binding = session.io_binding()
        for name in names:
            value = ort.OrtValue.ortvalue_from_numpy(common.read(self.case["inputs"][name]), "cpu", 0)
            self.values.append(value)
            binding.bind_ortvalue_input(name, value)
        if self.webgpu:
            binding.bind_output("output", "cpu")
        return session, binding

    def model(self, copies):
        """Operators with what follows them. The weight is a constant, as in a model, so that it may be packed."""
        helper, from_array = self.onnx.helper, self.onnx.numpy_helper.from_array
        problem, files = self.case["problem"], self.case["inputs"]
        operator, inputs, attributes = self.operator(problem, files)
        tail = self.tail(problem, files)
        constant = {"weight", "bias"} & files.keys()
        names = [name for name in files if name not in constant]
        nodes, constants = [], [from_array(np.float32(0.0), "zero"), from_array(np.float32(6.0), "six")]

        def block(suffix, output):
            for name in constant:
                constants.append(from_array(common.read(files[name]), name + suffix))
            own = [name + suffix if name in constant else name for name in inputs]
            steps = [(operator, own, attributes), *((step, ["", *more], {}) for step, more in tail)]
            for i, (step, sources, settings) in enumerate(steps):
                if i > 0:
                    sources[0] = f"step{i}{suffix}"
                target = output if i + 1 == len(steps) else f"step{i + 1}{suffix}"
                nodes.append(helper.make_node(step, sources, [target], **settings))

        shape = self.case["outputs"]["output"]["shape"]
        if copies is None:
            block("", "output")
        else:
            rank = len(shape)
            for name, values in (("first", [0] * rank), ("behind", [1] * rank), ("axes", range(rank))):
                constants.append(from_array(np.array(values, dtype=np.int64), name))
            for i in range(copies):
                block(f"_{i}", f"whole{i}")
            # The input itself is the last, so that there is one even without a copy.
            wholes = [f"whole{i}" for i in range(copies)] + ["input"]
            for i, whole in enumerate(wholes):
                nodes.append(helper.make_node("Slice", [whole, "first", "behind", "axes"], [f"part{i}"]))
            nodes.append(helper.make_node("Concat", [f"part{i}" for i in range(copies + 1)], ["output"], axis=0))
            shape = [copies + 1] + [1] * (rank - 1)
            if copies == 0:
                names = ["input"]

        def info(name, shape):
            return helper.make_tensor_value_info(name, self.onnx.TensorProto.FLOAT, shape)

        values = [info(name, files[name]["shape"]) for name in names]
        graph = helper.make_graph(nodes, "case", values, [info("output", shape)], constants)
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=10), names

    def operator(self, problem, files):
        """Its name, the tensors it reads, its attributes."""
        if problem["op"] == "pool":
            return self.pool(problem)
        common.check_convolution(problem)
        attributes = {
            "kernel_shape": problem["kernel"],
            "strides": problem["stride"],
            "dilations": problem["dilation"],
            "pads": self.pads(problem),
            "group": problem["groups"],
        }
        bias = ["bias"] if "bias" in files else []
        if problem["op"] == "conv":
            return "Conv", ["input", "weight", *bias], attributes
        if problem["op"] == "conv_transpose":
            attributes["output_padding"] = problem["output_padding"]
            return "ConvTranspose", ["input", "weight", *bias], attributes
        if problem["op"] == "deform_conv2d":
            attributes["offset_group"] = problem["offset_groups"]
            inputs = ["input", "weight", "offset", bias[0] if bias else "", "mask" if "mask" in files else ""]
            return "DeformConv", inputs, attributes
        raise common.Unsupported(f"no counterpart of {problem['op']}")

    def pool(self, problem):
        mode = problem["mode"]
        kind = next(iter(mode))
        attributes = {
            "kernel_shape": problem["kernel"],
            "strides": problem["stride"],
            "dilations": problem["dilation"],
            "pads": self.pads(problem),
            "ceil_mode": int(problem["ceil_mode"]),
        }
        if kind == "max":
            if mode["max"]["pad_value"] is not None or mode["max"]["indices"]:
                raise common.Unsupported("pad_value, indices")
            return "MaxPool", ["input"], attributes
        if kind == "average":
            if mode["average"]["divisor_override"] is not None:
                raise common.Unsupported("divisor_override")
            attributes["count_include_pad"] = int(mode["average"]["count_include_pad"])
            return "AveragePool", ["input"], attributes
        if mode["lp"]["p"] != int(mode["lp"]["p"]):
            raise common.Unsupported("a fractional p")
        return "LpPool", ["input"], attributes | {"p": int(mode["lp"]["p"])}

    @staticmethod
    def pads(problem):
        return [begin for begin, _ in problem["padding"]] + [end for _, end in problem["padding"]]

    @staticmethod
    def tail(problem, files):
        """What follows the operator: names, and further tensors."""
        steps = [("Add", ["residual"])] if "residual" in files else []
        if problem["op"] != "pool":
            steps += {"identity": [], "relu": [("Relu", [])], "relu6": [("Clip", ["zero", "six"])]}[
                common.activation(problem)
            ]
        return steps

    def execute(self):
        session, binding = self.once
        session.run_with_iobinding(binding)

    def batch(self, repeats):
        if not self.webgpu:
            return super().batch(repeats)
        for copies in (0, repeats):
            if copies not in self.copies:
                self.copies[copies] = self.session(copies)
                for _ in range(2):
                    self.milliseconds(copies)
        # Those that calibration tried are not needed any more.
        self.copies = {copies: self.copies[copies] for copies in (0, repeats)}
        empty = sorted(self.milliseconds(0) for _ in range(3))[1]
        return max(self.milliseconds(repeats) - empty, 0.0)

    def milliseconds(self, copies):
        session, binding = self.copies[copies]
        start = time.perf_counter()
        session.run_with_iobinding(binding)
        return (time.perf_counter() - start) * 1e3

    def outputs(self):
        self.execute()
        return {"output": self.once[1].copy_outputs_to_cpu()[0] if self.webgpu else self.result.numpy()}

    def forget(self):
        self.case, self.once, self.result, self.values, self.copies = None, None, None, [], {}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("provider", choices=["cpu", "webgpu"])
    arguments = parser.parse_args()
    common.serve(lambda: OnnxRuntime(arguments.provider))
