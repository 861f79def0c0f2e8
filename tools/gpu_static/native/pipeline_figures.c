// Creates compute pipelines with a Vulkan driver and prints the driver's own statistics of each.
//
//     pipeline_figures [--robust] [--isa DIR] < JOBS
//
// A job is a line of four words: an identifier, a SPIR-V file, its descriptor sets and a required subgroup size (0: the
// driver chooses). The entry point is the module's only one. Sets are words of letters joined by '/', a letter for each
// binding from 0 on: 'u' a uniform buffer, 's' a storage buffer, '-' nothing. Output, flushed after every line:
//
//     job ID
//     NAME = VALUE           a statistic; "subgroup size" is among them
//     failed MESSAGE         instead of statistics
//     end
//
// --isa writes every representation of the code (assembly, intermediate code) to DIR/ID.REPRESENTATION.txt.
// --robust enables robustBufferAccess.
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

// Every entry point comes from the loader: this program is linked to nothing but the C library.
#define ENTRY_POINTS(DO)                            \
    DO(EnumeratePhysicalDevices)                    \
    DO(GetPhysicalDeviceProperties)                 \
    DO(GetPhysicalDeviceFeatures2)                  \
    DO(EnumerateDeviceExtensionProperties)          \
    DO(CreateDevice)                                \
    DO(CreateShaderModule)                          \
    DO(DestroyShaderModule)                         \
    DO(CreateDescriptorSetLayout)                   \
    DO(DestroyDescriptorSetLayout)                  \
    DO(CreatePipelineLayout)                        \
    DO(DestroyPipelineLayout)                       \
    DO(CreateComputePipelines)                      \
    DO(DestroyPipeline)                             \
    DO(GetPipelineExecutablePropertiesKHR)          \
    DO(GetPipelineExecutableStatisticsKHR)          \
    DO(GetPipelineExecutableInternalRepresentationsKHR)

static struct {
#define MEMBER(name) PFN_vk##name name;
    ENTRY_POINTS(MEMBER)
} vk;

static VkDevice device;
static const char *isa_folder;

static void die(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void demand(VkResult result, const char *call) {
    if (result < 0) {
        char number[32];
        snprintf(number, sizeof number, "VkResult %d", result);
        die(call, number);
    }
}

static VkPhysicalDevice first_physical_device(void) {
    void *loader = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!loader) die("libvulkan.so.1", dlerror());
    PFN_vkGetInstanceProcAddr lookup = (PFN_vkGetInstanceProcAddr)dlsym(loader, "vkGetInstanceProcAddr");
    PFN_vkCreateInstance create = (PFN_vkCreateInstance)lookup(NULL, "vkCreateInstance");

    VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_3};
    VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &application};
    VkInstance instance;
    demand(create(&info, NULL, &instance), "vkCreateInstance");
#define RESOLVE(name) vk.name = (PFN_vk##name)lookup(instance, "vk" #name);
    ENTRY_POINTS(RESOLVE)

    VkPhysicalDevice physical = VK_NULL_HANDLE;
    uint32_t count = 1;
    demand(vk.EnumeratePhysicalDevices(instance, &count, &physical), "vkEnumeratePhysicalDevices");
    if (count == 0) die("driver", "it offers no device");
    return physical;
}

static bool offers(VkPhysicalDevice physical, const char *extension) {
    uint32_t count = 0;
    vk.EnumerateDeviceExtensionProperties(physical, NULL, &count, NULL);
    VkExtensionProperties *all = calloc(count, sizeof *all);
    vk.EnumerateDeviceExtensionProperties(physical, NULL, &count, all);
    bool found = false;
    for (uint32_t i = 0; i < count && !found; i++) found = strcmp(all[i].extensionName, extension) == 0;
    free(all);
    return found;
}

// Opens the device with all features that the driver reports, so that no capability of a module is missing.
static void open_device(bool robust) {
    VkPhysicalDevice physical = first_physical_device();
    VkPhysicalDeviceProperties properties;
    vk.GetPhysicalDeviceProperties(physical, &properties);
    fprintf(stderr, "device %s\n", properties.deviceName);

    VkPhysicalDeviceVulkan11Features v11 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES};
    VkPhysicalDeviceVulkan12Features v12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, .pNext = &v11};
    VkPhysicalDeviceVulkan13Features v13 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES, .pNext = &v12};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &v13};

    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR statistics = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR};
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR cooperative = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR};
    VkPhysicalDeviceShaderAtomicFloatFeaturesEXT float_atomics = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_ATOMIC_FLOAT_FEATURES_EXT};
    const struct {
        const char *extension;
        void *structure;
    } extras[] = {
        {VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME, &statistics},
        {VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME, &cooperative},
        {VK_EXT_SHADER_ATOMIC_FLOAT_EXTENSION_NAME, &float_atomics},
    };
    enum { N_EXTRAS = sizeof extras / sizeof *extras };
    const char *enabled[N_EXTRAS];
    uint32_t n_enabled = 0;
    for (int i = 0; i < N_EXTRAS; i++) {
        if (!offers(physical, extras[i].extension)) continue;
        VkBaseOutStructure *link = extras[i].structure;
        link->pNext = features.pNext;
        features.pNext = link;
        enabled[n_enabled++] = extras[i].extension;
    }
    vk.GetPhysicalDeviceFeatures2(physical, &features);
    if (!statistics.pipelineExecutableInfo) die("driver", "it has no VK_KHR_pipeline_executable_properties");
    features.features.robustBufferAccess = robust;

    float priority = 1.0f;
    VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueCount = 1, .pQueuePriorities = &priority};
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = n_enabled,
        .ppEnabledExtensionNames = enabled,
    };
    demand(vk.CreateDevice(physical, &info, NULL, &device), "vkCreateDevice");
}

// The words of a SPIR-V file and the name of its entry point.
typedef struct {
    uint32_t *words;
    size_t n_words;
    const char *entry_point;
} Module;

static const char *load_module(const char *path, Module *module) {
    enum { HEADER_WORDS = 5, OP_ENTRY_POINT = 15, EXECUTION_MODEL_COMPUTE = 5 };
    FILE *file = fopen(path, "rb");
    if (!file) return "the SPIR-V file cannot be opened";
    fseek(file, 0, SEEK_END);
    module->n_words = (size_t)ftell(file) / 4;
    rewind(file);
    module->words = malloc(module->n_words * 4);
    size_t n_read = fread(module->words, 4, module->n_words, file);
    fclose(file);
    if (n_read != module->n_words || n_read <= HEADER_WORDS) return "the SPIR-V file cannot be read";
    for (size_t i = HEADER_WORDS; i < module->n_words;) {
        uint32_t opcode = module->words[i] & 0xffff, length = module->words[i] >> 16;
        if (length == 0) break;
        if (opcode == OP_ENTRY_POINT && module->words[i + 1] == EXECUTION_MODEL_COMPUTE) {
            module->entry_point = (const char *)&module->words[i + 3];
            return NULL;
        }
        i += length;
    }
    return "the module has no compute entry point";
}

enum { MAX_SETS = 4, MAX_BINDINGS = 64 };

static uint32_t create_set_layouts(char *sets, VkDescriptorSetLayout layouts[MAX_SETS]) {
    uint32_t n_sets = 0;
    for (char *letters; n_sets < MAX_SETS && (letters = strsep(&sets, "/"));) {
        VkDescriptorSetLayoutBinding bindings[MAX_BINDINGS] = {0};
        uint32_t n_bindings = 0;
        for (uint32_t number = 0; letters[number] && number < MAX_BINDINGS; number++) {
            if (letters[number] == '-') continue;
            bool uniform = letters[number] == 'u';
            bindings[n_bindings++] = (VkDescriptorSetLayoutBinding){
                .binding = number,
                .descriptorType = uniform ? VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                .descriptorCount = 1,
                .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
            };
        }
        VkDescriptorSetLayoutCreateInfo info = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = n_bindings, .pBindings = bindings};
        demand(vk.CreateDescriptorSetLayout(device, &info, NULL, &layouts[n_sets++]), "vkCreateDescriptorSetLayout");
    }
    return n_sets;
}

static void print_statistics(const VkPipelineExecutableInfoKHR *executable) {
    uint32_t count = 0;
    vk.GetPipelineExecutableStatisticsKHR(device, executable, &count, NULL);
    VkPipelineExecutableStatisticKHR *all = calloc(count, sizeof *all);
    for (uint32_t i = 0; i < count; i++) all[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR;
    vk.GetPipelineExecutableStatisticsKHR(device, executable, &count, all);
    for (uint32_t i = 0; i < count; i++) {
        const VkPipelineExecutableStatisticValueKHR *value = &all[i].value;
        if (all[i].format == VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR)
            printf("%s = %.6g\n", all[i].name, value->f64);
        else if (all[i].format == VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR)
            printf("%s = %lld\n", all[i].name, (long long)value->i64);
        else if (all[i].format == VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR)
            printf("%s = %u\n", all[i].name, value->b32);
        else
            printf("%s = %llu\n", all[i].name, (unsigned long long)value->u64);
    }
    free(all);
}

static void write_code(const char *id, const VkPipelineExecutableInfoKHR *executable) {
    uint32_t count = 0;
    vk.GetPipelineExecutableInternalRepresentationsKHR(device, executable, &count, NULL);
    VkPipelineExecutableInternalRepresentationKHR *all = calloc(count, sizeof *all);
    for (uint32_t i = 0; i < count; i++) all[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR;
    // The second call tells the sizes, the third fills what they ask for.
    vk.GetPipelineExecutableInternalRepresentationsKHR(device, executable, &count, all);
    for (uint32_t i = 0; i < count; i++) all[i].pData = calloc(all[i].dataSize + 1, 1);
    vk.GetPipelineExecutableInternalRepresentationsKHR(device, executable, &count, all);
    for (uint32_t i = 0; i < count; i++) {
        char path[4096];
        int start = snprintf(path, sizeof path, "%s/%s.", isa_folder, id);
        snprintf(path + start, sizeof path - (size_t)start, "%s.txt", all[i].name);
        for (char *letter = path + start; *letter; letter++)
            if (*letter == ' ' || *letter == '/' || *letter == '(' || *letter == ')') *letter = '_';
        FILE *file = fopen(path, "w");
        if (!file) die(path, "it cannot be written");
        fwrite(all[i].pData, 1, all[i].isText ? strlen(all[i].pData) : all[i].dataSize, file);
        fclose(file);
        free(all[i].pData);
    }
    free(all);
}

// Prints the statistics of a pipeline; returns why there is none, or NULL.
static const char *compile(const char *id, const Module *module, char *sets, uint32_t subgroup_size) {
    static char message[64];
    VkDescriptorSetLayout set_layouts[MAX_SETS];
    VkPipelineLayoutCreateInfo layout_info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = create_set_layouts(sets, set_layouts),
        .pSetLayouts = set_layouts,
    };
    VkPipelineLayout layout;
    demand(vk.CreatePipelineLayout(device, &layout_info, NULL, &layout), "vkCreatePipelineLayout");
    VkShaderModuleCreateInfo module_info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = module->n_words * 4, .pCode = module->words};
    VkShaderModule shader;
    demand(vk.CreateShaderModule(device, &module_info, NULL, &shader), "vkCreateShaderModule");

    VkPipelineShaderStageRequiredSubgroupSizeCreateInfo required = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
        .requiredSubgroupSize = subgroup_size,
    };
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .flags = VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR,
        .stage = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
            .pNext = subgroup_size ? &required : NULL,
            .stage = VK_SHADER_STAGE_COMPUTE_BIT,
            .module = shader,
            .pName = module->entry_point,
        },
        .layout = layout,
    };
    if (isa_folder) info.flags |= VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR;
    VkPipeline pipeline;
    VkResult result = vk.CreateComputePipelines(device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline);
    const char *failure = NULL;
    if (result != VK_SUCCESS) {
        snprintf(message, sizeof message, "vkCreateComputePipelines: VkResult %d", result);
        failure = message;
    } else {
        VkPipelineInfoKHR of = {.sType = VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, .pipeline = pipeline};
        VkPipelineExecutablePropertiesKHR properties = {.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR};
        uint32_t count = 1;
        vk.GetPipelineExecutablePropertiesKHR(device, &of, &count, &properties);
        if (count == 0) {
            failure = "the driver reports no executable";
        } else {
            VkPipelineExecutableInfoKHR executable = {
                .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, .pipeline = pipeline, .executableIndex = 0};
            printf("subgroup size = %u\n", properties.subgroupSize);
            print_statistics(&executable);
            if (isa_folder) write_code(id, &executable);
        }
        vk.DestroyPipeline(device, pipeline, NULL);
    }
    vk.DestroyShaderModule(device, shader, NULL);
    vk.DestroyPipelineLayout(device, layout, NULL);
    for (uint32_t i = 0; i < layout_info.setLayoutCount; i++) vk.DestroyDescriptorSetLayout(device, set_layouts[i], NULL);
    return failure;
}

int main(int argc, char **argv) {
    bool robust = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--robust") == 0) robust = true;
        else if (strcmp(argv[i], "--isa") == 0 && i + 1 < argc) isa_folder = argv[++i];
        else die(argv[i], "unknown argument");
    }
    open_device(robust);
    char id[1024], path[4096], sets[1024];
    uint32_t subgroup_size;
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (scanf("%1023s %4095s %1023s %u", id, path, sets, &subgroup_size) == 4) {
        printf("job %s\n", id);
        Module module = {0};
        const char *failure = load_module(path, &module);
        if (!failure) failure = compile(id, &module, sets, subgroup_size);
        if (failure) printf("failed %s\n", failure);
        printf("end\n");
        free(module.words);
    }
    return 0;
}
