/* An exported convolution in a C program: no Rust, no JSON, no shader compiler. The header says what to bind and
 * dispatch, the SPIR-V lies beside it.
 *
 *   wgconv export conv2d --input-shape 2,3,9,10 --weight-shape 5,3,3,3 --padding 1 --bias --algorithm im2col-gemm \
 *       --languages spirv --header c --out conv
 *   cc -std=c11 -I conv examples/c/raw_vulkan.c -lvulkan -lm -o raw_vulkan
 *   ./raw_vulkan conv
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vulkan.h>

#include "conv2d.h"

/* The problem, as the command above states it. */
enum { BATCH = 2, C_IN = 3, C_OUT = 5, HEIGHT = 9, WIDTH = 10, KERNEL = 3, PADDING = 1 };

/* What an element may err by: sums of 28 products of numbers up to 1, each rounded to 24 bits. */
#define TOLERANCE (28.0 * 30.0 / 16777216.0)

static void fail(const char *what, long code)
{
    fprintf(stderr, "%s: %ld\n", what, code);
    exit(1);
}

#define CHECK(call)                                                                                                    \
    do {                                                                                                               \
        VkResult result = (call);                                                                                      \
        if (result != VK_SUCCESS)                                                                                      \
            fail(#call, result);                                                                                       \
    } while (0)

/* A buffer that the host sees. */
typedef struct Buffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    void *mapped;
} Buffer;

static VkPhysicalDevice physical;
static VkDevice device;

static Buffer make_buffer(uint64_t bytes, VkBufferUsageFlags usage)
{
    Buffer made;
    VkBufferCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = (bytes + 3) / 4 * 4, .usage = usage};
    CHECK(vkCreateBuffer(device, &create, NULL, &made.buffer));
    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(device, made.buffer, &needs);
    VkPhysicalDeviceMemoryProperties memories;
    vkGetPhysicalDeviceMemoryProperties(physical, &memories);
    VkMemoryPropertyFlags wanted = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    uint32_t kind = 0;
    while (kind < memories.memoryTypeCount && !((needs.memoryTypeBits >> kind & 1) &&
                                                (memories.memoryTypes[kind].propertyFlags & wanted) == wanted))
        kind++;
    if (kind == memories.memoryTypeCount)
        fail("no memory that the host sees", 0);
    VkMemoryAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = needs.size, .memoryTypeIndex = kind};
    CHECK(vkAllocateMemory(device, &allocate, NULL, &made.memory));
    CHECK(vkBindBufferMemory(device, made.buffer, made.memory, 0));
    CHECK(vkMapMemory(device, made.memory, 0, VK_WHOLE_SIZE, 0, &made.mapped));
    /* Every word a NaN: what is not written shows. */
    memset(made.mapped, 0xff, create.size);
    return made;
}

/* A shader of the export as a pipeline, with the layouts that its bindings want. */
typedef struct Pipeline {
    VkShaderModule module;
    VkDescriptorSetLayout set;
    VkPipelineLayout layout;
    VkPipeline pipeline;
} Pipeline;

static Pipeline make_pipeline(const char *folder, const wgconv_shader *shader)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, shader->paths[WGCONV_SPIRV]);
    FILE *file = fopen(path, "rb");
    static uint32_t code[1 << 20];
    size_t words = file ? fread(code, 4, sizeof code / 4, file) : 0;
    if (words == 0)
        fail(path, 0);
    fclose(file);

    Pipeline made;
    VkShaderModuleCreateInfo module = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = 4 * words, .pCode = code};
    CHECK(vkCreateShaderModule(device, &module, NULL, &made.module));
    VkDescriptorSetLayoutBinding bindings[16];
    uint32_t n_bindings = shader->n_bindings + 1;
    for (uint32_t i = 0; i < n_bindings; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = i == 0 ? VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
    VkDescriptorSetLayoutCreateInfo set = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = n_bindings,
        .pBindings = bindings};
    CHECK(vkCreateDescriptorSetLayout(device, &set, NULL, &made.set));
    VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, .setLayoutCount = 1, .pSetLayouts = &made.set};
    CHECK(vkCreatePipelineLayout(device, &layout, NULL, &made.layout));
    VkComputePipelineCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = made.module,
                  .pName = shader->entry_points[WGCONV_SPIRV]},
        .layout = made.layout};
    CHECK(vkCreateComputePipelines(device, VK_NULL_HANDLE, 1, &create, NULL, &made.pipeline));
    return made;
}

static void destroy_buffer(Buffer buffer)
{
    vkDestroyBuffer(device, buffer.buffer, NULL);
    vkFreeMemory(device, buffer.memory, NULL);
}

static void destroy_pipeline(Pipeline pipeline)
{
    vkDestroyPipeline(device, pipeline.pipeline, NULL);
    vkDestroyPipelineLayout(device, pipeline.layout, NULL);
    vkDestroyDescriptorSetLayout(device, pipeline.set, NULL);
    vkDestroyShaderModule(device, pipeline.module, NULL);
}

/* Numbers from -1 to 1. */
static void fill(float *values, size_t n)
{
    static uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        values[i] = (float)(state >> 8) / 8388608.0f - 1.0f;
    }
}

/* The worst difference to the convolution, computed in double. */
static double worst_error(const float *input, const float *weight, const float *bias, const float *output)
{
    double worst = 0.0;
    for (int n = 0; n < BATCH; n++)
        for (int co = 0; co < C_OUT; co++)
            for (int y = 0; y < HEIGHT; y++)
                for (int x = 0; x < WIDTH; x++) {
                    double sum = bias[co];
                    for (int ci = 0; ci < C_IN; ci++)
                        for (int i = 0; i < KERNEL; i++)
                            for (int j = 0; j < KERNEL; j++) {
                                int row = y - PADDING + i, column = x - PADDING + j;
                                if (row >= 0 && row < HEIGHT && column >= 0 && column < WIDTH)
                                    sum += (double)input[((n * C_IN + ci) * HEIGHT + row) * WIDTH + column] *
                                           weight[((co * C_IN + ci) * KERNEL + i) * KERNEL + j];
                            }
                    double error = fabs(sum - output[((n * C_OUT + co) * HEIGHT + y) * WIDTH + x]);
                    /* A NaN is no number, however small the tolerance. */
                    if (!(error <= worst))
                        worst = isnan(error) ? INFINITY : error;
                }
    return worst;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        fail("usage: raw_vulkan FOLDER", argc);
    VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_1};
    VkInstanceCreateInfo create_instance = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &application};
    VkInstance instance;
    CHECK(vkCreateInstance(&create_instance, NULL, &instance));
    uint32_t one = 1;
    VkResult listed = vkEnumeratePhysicalDevices(instance, &one, &physical);
    if ((listed != VK_SUCCESS && listed != VK_INCOMPLETE) || one == 0)
        fail("no Vulkan device", listed);
    VkPhysicalDeviceProperties properties;
    vkGetPhysicalDeviceProperties(physical, &properties);
    if (CONV2D_STORAGE_ALIGNMENT % properties.limits.minStorageBufferOffsetAlignment != 0)
        fail("storage buffers lie at other offsets", (long)properties.limits.minStorageBufferOffsetAlignment);
    VkQueueFamilyProperties families[16];
    uint32_t n_families = 16, family = 0;
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &n_families, families);
    while (family < n_families && !(families[family].queueFlags & VK_QUEUE_COMPUTE_BIT))
        family++;
    float priority = 1.0f;
    VkDeviceQueueCreateInfo create_queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = family,
        .queueCount = 1,
        .pQueuePriorities = &priority};
    VkDeviceCreateInfo create_device = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, .queueCreateInfoCount = 1, .pQueueCreateInfos = &create_queue};
    CHECK(vkCreateDevice(physical, &create_device, NULL, &device));
    VkQueue queue;
    vkGetDeviceQueue(device, family, 0, &queue);

    /* Memories: tensors, workspace and whatever else the steps bind. */
    Buffer memories[CONV2D_MEMORIES];
    for (int i = 0; i < CONV2D_MEMORIES; i++)
        memories[i] = make_buffer(conv2d_memories[i].bytes + 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    if (conv2d_memories[CONV2D_MEMORY_OUTPUT].bytes != 4 * BATCH * C_OUT * HEIGHT * WIDTH)
        fail("the export is of another problem", (long)conv2d_memories[CONV2D_MEMORY_OUTPUT].bytes);
    float *input = memories[CONV2D_MEMORY_INPUT].mapped;
    float *weight = memories[CONV2D_MEMORY_WEIGHT].mapped;
    float *bias = memories[CONV2D_MEMORY_BIAS].mapped;
    fill(input, BATCH * C_IN * HEIGHT * WIDTH);
    fill(weight, C_OUT * C_IN * KERNEL * KERNEL);
    fill(bias, C_OUT);

    Pipeline pipelines[CONV2D_SHADERS];
    for (int i = 0; i < CONV2D_SHADERS; i++)
        pipelines[i] = make_pipeline(argv[1], &conv2d_shaders[i]);
    Buffer parameters[CONV2D_STEPS];
    VkDescriptorPoolSize sizes[2] = {{VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, CONV2D_STEPS},
                                     {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 16 * CONV2D_STEPS}};
    VkDescriptorPoolCreateInfo create_pool = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = CONV2D_STEPS,
        .poolSizeCount = 2,
        .pPoolSizes = sizes};
    VkDescriptorPool pool;
    CHECK(vkCreateDescriptorPool(device, &create_pool, NULL, &pool));

    VkCommandPoolCreateInfo create_commands = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, .queueFamilyIndex = family};
    VkCommandPool command_pool;
    CHECK(vkCreateCommandPool(device, &create_commands, NULL, &command_pool));
    VkCommandBufferAllocateInfo allocate_commands = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = command_pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1};
    VkCommandBuffer commands;
    CHECK(vkAllocateCommandBuffers(device, &allocate_commands, &commands));
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    CHECK(vkBeginCommandBuffer(commands, &begin));
    for (int i = 0; i < CONV2D_STEPS; i++) {
        const wgconv_step *step = &conv2d_steps[i];
        const Pipeline *pipeline = &pipelines[step->shader];
        parameters[i] = make_buffer(step->parameter_bytes, VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT);
        memcpy(parameters[i].mapped, step->parameters, step->parameter_bytes);
        VkDescriptorSetAllocateInfo allocate = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
            .descriptorPool = pool,
            .descriptorSetCount = 1,
            .pSetLayouts = &pipeline->set};
        VkDescriptorSet set;
        CHECK(vkAllocateDescriptorSets(device, &allocate, &set));
        for (uint32_t binding = 0; binding <= conv2d_shaders[step->shader].n_bindings; binding++) {
            VkDescriptorBufferInfo info = {parameters[i].buffer, 0, step->parameter_bytes};
            if (binding > 0) {
                const wgconv_range *range = &step->ranges[binding - 1];
                info = (VkDescriptorBufferInfo){memories[range->memory].buffer, range->offset, range->bytes};
            }
            VkWriteDescriptorSet write = {
                .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                .dstSet = set,
                .dstBinding = binding,
                .descriptorCount = 1,
                .descriptorType = binding == 0 ? VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                .pBufferInfo = &info};
            vkUpdateDescriptorSets(device, 1, &write, 0, NULL);
        }
        vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->pipeline);
        vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->layout, 0, 1, &set, 0, NULL);
        vkCmdDispatch(commands, step->workgroups[0], step->workgroups[1], step->workgroups[2]);
        VkMemoryBarrier barrier = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
            .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
            .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_HOST_READ_BIT};
        vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                             VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, NULL,
                             0, NULL);
    }
    CHECK(vkEndCommandBuffer(commands));
    VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &commands};
    CHECK(vkQueueSubmit(queue, 1, &submit, VK_NULL_HANDLE));
    CHECK(vkQueueWaitIdle(queue));

    double worst = worst_error(input, weight, bias, memories[CONV2D_MEMORY_OUTPUT].mapped);
    printf("%s: the worst error is %.3g, allowed are %.3g\n", properties.deviceName, worst, TOLERANCE);

    vkDestroyCommandPool(device, command_pool, NULL);
    vkDestroyDescriptorPool(device, pool, NULL);
    for (int i = 0; i < CONV2D_STEPS; i++)
        destroy_buffer(parameters[i]);
    for (int i = 0; i < CONV2D_SHADERS; i++)
        destroy_pipeline(pipelines[i]);
    for (int i = 0; i < CONV2D_MEMORIES; i++)
        destroy_buffer(memories[i]);
    vkDestroyDevice(device, NULL);
    vkDestroyInstance(instance, NULL);
    return worst <= TOLERANCE ? 0 : 1;
}
