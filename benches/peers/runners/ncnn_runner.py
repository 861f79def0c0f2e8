"""ncnn on Vulkan, f32: no f16 or bf16, neither in storage nor in arithmetic.

Its Python interface always uploads the input and downloads the output, which takes longer than most layers. So a batch
is a network of N copies of the layer on one input, of whose outputs one pixel each is downloaded; from its time that of
a network without the layer is taken away.
"""

import time

import common
import numpy as np

# Activations by ncnn's numbers.
ACTIVATIONS = {"identity": 0, "relu": 1, "relu6": 3}


class Ncnn(common.Runner):
    # Each has weights and a pipeline of its own.
    max_repeats = 40

    def __init__(self):
        import ncnn

        self.ncnn = ncnn
        if ncnn.get_gpu_count() == 0:
            raise common.Unsupported("no Vulkan device")
        self.forget()

    def hello(self, threads):
        ncnn = self.ncnn
        self.threads = threads
        info = ncnn.get_gpu_info(ncnn.get_default_gpu_index())
        return {
            "version": ncnn.__version__,
            "device": info.device_name(),
            "driver": "Vulkan",
            "precision": "f32",
            "timed": "a network of N copies of the layer, minus one without it; see ncnn_runner.py",
        }

    def prepare(self, case):
        ncnn = self.ncnn
        if case["pass"] != "forward":
            raise common.Unsupported("inference only")
        problem = case["problem"]
        if problem["batch"] != 1:
            raise common.Unsupported("more than one image")
        if not case["operation"].endswith("2d"):
            raise common.Unsupported("two dimensions only")
        if "residual" in case["inputs"]:
            raise common.Unsupported("a residual")
        layer, parameters, weights = self.layer(problem, case["inputs"])
        prototype = ncnn.create_layer(layer)
        if not prototype.support_vulkan:
            raise common.Unsupported(f"{layer} has no Vulkan implementation")
        self.text = layer, " ".join(f"{key}={value}" for key, value in parameters.items())
        self.weights = weights
        # Neither a Mat nor a network keeps what it was made of.
        self.kept = [common.read(case["inputs"]["input"])[0]]
        # A clone's channels begin where the upload looks for them, an array's only where they are whole 16 bytes.
        self.input = ncnn.Mat(self.kept[0]).clone()
        self.once = self.network(1, whole=True)
        if not self.once.layers()[-1].support_vulkan:
            raise common.Unsupported(f"with these parameters {layer} runs on the processor")
        for _ in range(3):
            self.extract(self.once)
        return layer

    def network(self, copies, whole=False):
        """That many copies of the layer, each cropped to a pixel; or the whole output of one."""
        name, words = self.text
        if whole:
            lines = [f"{name} layer 1 1 input output {words}"]
            blobs = 2
        else:
            # The last branch is the input itself, so that there is one even without a copy.
            branches = [f"b{i}" for i in range(copies + 1)]
            lines = [f"Split split 1 {copies + 1} input {' '.join(branches)}"]
            for i in range(copies):
                lines.append(f"{name} layer{i} 1 1 b{i} l{i} {words}")
            for i in range(copies + 1):
                source = f"l{i}" if i < copies else f"b{i}"
                # One pixel of one channel.
                lines.append(f"Crop crop{i} 1 1 {source} c{i} 0=0 1=0 2=0 3=1 4=1 5=1")
            crops = " ".join(f"c{i}" for i in range(copies + 1))
            lines.append(f"Concat concat {copies + 1} 1 {crops} output 0=0")
            blobs = 2 + 2 * (copies + 1) + copies
        net = self.ncnn.Net()
        options = net.opt
        options.use_vulkan_compute = True
        options.num_threads = self.threads
        for option in dir(options):
            if option.startswith(("use_fp16", "use_bf16", "use_int8")):
                setattr(options, option, False)
        text = f"7767517\n{len(lines) + 1} {blobs}\nInput input 0 1 input\n" + "\n".join(lines) + "\n"
        if net.load_param_mem(text) != 0:
            raise RuntimeError("ncnn refuses the layer's parameters")
        weights = self.weights * (1 if whole else copies)
        self.kept.append(weights)
        net.load_model_mem(weights)
        return net

    def extract(self, net):
        extractor = net.create_extractor()
        extractor.input("input", self.input)
        status, result = extractor.extract("output")
        if status != 0:
            raise RuntimeError(f"extract returned {status}")
        # Its memory is the extractor's.
        return np.array(result)

    def batch(self, repeats):
        for copies in (0, repeats):
            if copies not in self.networks:
                self.networks[copies] = self.network(copies)
                for _ in range(2):
                    self.extract(self.networks[copies])
        # Those that calibration tried are not needed any more.
        self.networks = {copies: self.networks[copies] for copies in (0, repeats)}

        def milliseconds(copies):
            start = time.perf_counter()
            self.extract(self.networks[copies])
            return (time.perf_counter() - start) * 1e3

        empty = sorted(milliseconds(0) for _ in range(3))[1]
        return max(milliseconds(repeats) - empty, 0.0)

    def layer(self, problem, files):
        """Its name, its parameters by ncnn's numbers, its weights."""
        if problem["op"] == "pool":
            return self.pool(problem)
        common.check_convolution(problem)
        groups = problem["groups"]
        kinds = {"conv": "Convolution", "conv_transpose": "Deconvolution"}
        if problem["op"] not in kinds:
            raise common.Unsupported(f"{problem['op']} on Vulkan")
        layer = kinds[problem["op"]] + ("DepthWise" if groups > 1 else "")
        weight = common.read(files["weight"])
        if problem["op"] == "conv_transpose":
            # In ncnn the output channel comes first.
            c_in, per_group, *kernel = weight.shape
            weight = weight.reshape(groups, c_in // groups, per_group, *kernel).swapaxes(1, 2)
        bias = "bias" in files
        (top, bottom), (left, right) = problem["padding"]
        (kernel_h, kernel_w), (stride_h, stride_w) = problem["kernel"], problem["stride"]
        dilation_h, dilation_w = problem["dilation"]
        parameters = {
            0: problem["c_out"], 1: kernel_w, 11: kernel_h, 2: dilation_w, 12: dilation_h, 3: stride_w, 13: stride_h,
            4: left, 14: top, 15: right, 16: bottom, 5: int(bias), 6: weight.size,
            9: ACTIVATIONS[common.activation(problem)],
        }  # fmt: skip
        if parameters[9] == 3:
            parameters.update({-23310: "2,0.0,6.0"})
        if groups > 1:
            parameters[7] = groups
        if problem["op"] == "conv_transpose":
            parameters[19], parameters[18] = problem["output_padding"]
        # A tag that says f32, the weights, the bias.
        raw = b"\0\0\0\0" + np.ascontiguousarray(weight, dtype="<f4").tobytes()
        if bias:
            raw += common.read(files["bias"]).tobytes()
        return layer, parameters, raw

    @staticmethod
    def pool(problem):
        mode = problem["mode"]
        kind = next(iter(mode))
        if kind not in ("max", "average") or any(step != 1 for step in problem["dilation"]):
            raise common.Unsupported(f"{kind} pooling, or dilated")
        if kind == "max" and (mode["max"]["pad_value"] is not None or mode["max"]["indices"]):
            raise common.Unsupported("pad_value, indices")
        if kind == "average" and mode["average"]["divisor_override"] is not None:
            raise common.Unsupported("divisor_override")
        (top, bottom), (left, right) = problem["padding"]
        (kernel_h, kernel_w), (stride_h, stride_w) = problem["kernel"], problem["stride"]
        parameters = {
            0: int(kind == "average"), 1: kernel_w, 11: kernel_h, 2: stride_w, 12: stride_h,
            3: left, 13: top, 14: right, 15: bottom, 5: 0 if problem["ceil_mode"] else 1,
            6: int(kind == "average" and mode["average"]["count_include_pad"]),
        }  # fmt: skip
        return "Pooling", parameters, b""

    def outputs(self):
        return {"output": self.extract(self.once)}

    def forget(self):
        self.once, self.text, self.weights, self.input, self.networks, self.kept = None, None, None, None, {}, []


if __name__ == "__main__":
    common.serve(Ncnn)
