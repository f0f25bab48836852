/*
 * Replays a corpus: runs LLVMFuzzerTestOneInput over every file of the folder given, so that the fuzz
 * drivers are also regression tests where libFuzzer is not used. Fails when it replayed nothing.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        return 0;
    }
    struct stat st;
    uint8_t *data = NULL;
    int done = 0;
    if (fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode)) {
        data = malloc((size_t)st.st_size + 1);
        size_t n = data ? fread(data, 1, (size_t)st.st_size, f) : 0;
        LLVMFuzzerTestOneInput(data, n);
        done = 1;
    }
    free(data);
    fclose(f);
    return done;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return 2;
    }
    DIR *dir = opendir(argv[1]);
    if (!dir) {
        perror(argv[1]);
        return 1;
    }
    int n = 0;
    for (struct dirent *ent; (ent = readdir(dir)) != NULL;) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", argv[1], ent->d_name);
        n += replay(path);
    }
    closedir(dir);
    printf("replayed %d inputs from %s\n", n, argv[1]);
    return n > 0 ? 0 : 1;
}
