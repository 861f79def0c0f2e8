"""PyTorch and torchvision. Arguments: cpu or cuda, --tf32 or --f16."""

import argparse
import platform

import common


class Torch(common.Runner):
    def __init__(self, device, tf32, f16):
        import torch
        import torchvision

        self.torch, self.torchvision = torch, torchvision
        if device == "cuda" and not torch.cuda.is_available():
            raise common.Unsupported("no CUDA device")
        self.device = torch.device(device)
        self.tf32, self.f16 = tf32, f16
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        # Sums in f32, as everybody else's.
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
        torch.backends.cudnn.benchmark = True
        self.forget()

    def hello(self, threads):
        torch = self.torch
        torch.set_num_threads(threads)
        cuda = self.device.type == "cuda"
        device = torch.cuda.get_device_name() if cuda else f"{platform.machine()} processor, {threads} threads"
        driver = f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}" if cuda else ""
        return {
            "version": f"{torch.__version__}, torchvision {self.torchvision.__version__}",
            "device": device,
            "driver": driver,
            "precision": "f16" if self.f16 else "tf32" if self.tf32 else "f32",
            "timed": "N eager calls (and autograd with a given gradient)"
            + (", synchronize" if cuda else "")
            + ("; tensors of f16, those of four dimensions channels last" if self.f16 else ""),
        }

    def prepare(self, case):
        torch = self.torch
        backward = case["pass"] == "forward_backward"
        self.tensors = {name: self.upload(common.read(file)) for name, file in case["inputs"].items()}
        self.upstream = self.tensors.pop("grad_output", None)
        if backward:
            for tensor in self.tensors.values():
                tensor.requires_grad_(True)
        self.call = self.operation(case["operation"], case["problem"])
        # cuDNN and oneDNN choose at the first calls.
        for _ in range(3):
            self.execute()
        self.synchronize()

    def upload(self, array):
        tensor = self.torch.from_numpy(array).to(self.device)
        if not self.f16:
            return tensor
        tensor = tensor.half()
        # What cuDNN's f16 kernels want, and what users of f16 do.
        return tensor.to(memory_format=self.torch.channels_last) if tensor.dim() == 4 else tensor

    def operation(self, name, problem):
        """A function of the tensors."""
        nn, tensors = self.torch.nn.functional, self.tensors
        if problem["op"] == "pool":
            return self.pool(name, problem)
        common.check_convolution(problem)
        rank = name[-2:]
        padding = common.symmetric(problem["padding"])
        shared = {key: problem[key] for key in ("stride", "dilation")}
        tail = self.tail(problem)
        get = tensors.get
        if problem["op"] == "conv":
            function = getattr(nn, f"conv{rank}")
            groups = problem["groups"]
            return lambda: tail(
                function(get("input"), get("weight"), get("bias"), padding=padding, groups=groups, **shared)
            )
        if problem["op"] == "conv_transpose":
            function = getattr(nn, f"conv_transpose{rank}")
            more = {key: problem[key] for key in ("output_padding", "groups")}
            return lambda: tail(function(get("input"), get("weight"), get("bias"), padding=padding, **more, **shared))
        if problem["op"] == "deform_conv2d":
            function = self.torchvision.ops.deform_conv2d
            return lambda: tail(
                function(
                    get("input"), get("offset"), get("weight"), get("bias"), padding=padding, mask=get("mask"), **shared
                )
            )
        raise common.Unsupported(f"no counterpart of {problem['op']}")

    def pool(self, name, problem):
        nn, source = self.torch.nn.functional, self.tensors["input"]
        padding = common.symmetric(problem["padding"])
        kernel, stride, ceil = problem["kernel"], problem["stride"], problem["ceil_mode"]
        mode = problem["mode"]
        kind = mode if isinstance(mode, str) else next(iter(mode))
        if kind == "max":
            if mode["max"]["pad_value"] is not None or mode["max"]["indices"]:
                raise common.Unsupported("pad_value, indices")
            function = getattr(nn, f"max_pool{name[-2:]}")
            dilation = problem["dilation"]
            return lambda: function(source, kernel, stride, padding, dilation, ceil)
        if kind == "average":
            if any(step != 1 for step in problem["dilation"]):
                raise common.Unsupported("dilated average pooling")
            function = getattr(nn, f"avg_pool{name[-2:]}")
            more = {"count_include_pad": mode["average"]["count_include_pad"]}
            if name.endswith("1d") and mode["average"]["divisor_override"] is not None:
                raise common.Unsupported("divisor_override")
            if not name.endswith("1d"):
                more["divisor_override"] = mode["average"]["divisor_override"]
            return lambda: function(source, kernel, stride, padding, ceil, **more)
        raise common.Unsupported(f"{kind} pooling")

    def tail(self, problem):
        """Residual and activation."""
        nn, residual = self.torch.nn.functional, self.tensors.get("residual")
        after = {"identity": None, "relu": nn.relu, "relu6": nn.relu6}[common.activation(problem)]

        def apply(output):
            if residual is not None:
                output = output + residual
            return output if after is None else after(output)

        return apply

    def execute(self):
        torch = self.torch
        if self.upstream is None:
            with torch.inference_mode():
                self.result = (self.call(), ())
        else:
            output = self.call()
            gradients = torch.autograd.grad(output, list(self.tensors.values()), self.upstream)
            self.result = (output, gradients)

    def synchronize(self):
        if self.device.type == "cuda":
            self.torch.cuda.synchronize()

    def outputs(self):
        self.execute()
        self.synchronize()
        output, gradients = self.result
        named = {"output": output}
        if gradients:
            named.update((f"grad_{name}", gradient) for name, gradient in zip(self.tensors, gradients, strict=True))
        return {name: tensor.detach().float().cpu().numpy() for name, tensor in named.items()}

    def forget(self):
        self.tensors, self.upstream, self.call, self.result = {}, None, None, None


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("device", choices=["cpu", "cuda"])
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument("--tf32", action="store_true")
    precision.add_argument("--f16", action="store_true")
    arguments = parser.parse_args()
    common.serve(lambda: Torch(arguments.device, arguments.tf32, arguments.f16))
